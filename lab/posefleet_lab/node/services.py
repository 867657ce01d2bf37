"""What every pod on a node shares."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..ports import LoopbackNetwork
from .api import Api
from .config import NodeConfig
from .events import EventRecorder
from .names import NameDirectory
from .volumes import ClusterObjects


@dataclass(frozen=True)
class NodeServices:
    """The node's configuration and its connections."""

    config: NodeConfig
    api: Api
    server: str
    events: EventRecorder
    objects: ClusterObjects
    names: NameDirectory
    network: LoopbackNetwork
    isolated: bool

    def service_variables(self) -> dict[str, str]:
        """Return the variables by which a pod finds the API server."""
        address = urlsplit(self.server)
        host, port = str(address.hostname), str(address.port)
        return {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_PORT_HTTPS": port,
            "KUBERNETES_PORT": f"tcp://{host}:{port}",
        }
