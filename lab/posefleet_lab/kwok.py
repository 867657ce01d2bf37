"""Nodes and pods that exist in the API alone, played by kwok (sigs.k8s.io/kwok)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .component import Component
from .control_plane import ControlPlane
from .ports import free_port
from .tools import binaries
from .tools.build_once import Report, quiet

#: kwok renews the Lease of each node, as a kubelet does.
_LEASE_SECONDS = 40
#: Objects that are played at the same time.
_PARALLEL = 16
_PODS_PER_NODE = 1000
_PLENTY = {"cpu": "100k", "memory": "1000Ti", "ephemeral-storage": "1000Ti", "pods": str(_PODS_PER_NODE)}

#: A node becomes ready as soon as it exists. kwok fills in the conditions.
_NODE_STAGE = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
      - {key: '.status.conditions.[] | select(.type == "Ready") | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      {{ range NodeConditions }}
      - {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
         message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now | Quote }}, lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
"""


class Kwok:
    """kwok, and the nodes that it plays. It plays every pod that is scheduled to them, by the given stages."""

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        pod_stages: str,
        nodes: int,
        gpus: int = 0,
        report: Report = quiet,
    ) -> None:
        """Build kwok if it has not been built.

        Args:
            control_plane: the cluster that the nodes belong to.
            directory: holds its files.
            pod_stages: YAML documents of kwok's kind Stage, which say what becomes of pods.
            nodes: number of nodes, which take 1000 pods each.
            gpus: number of ``nvidia.com/gpu`` of each node.
            report: called with one line for each step of the build.
        """
        self._control_plane = control_plane
        self._directory = directory
        self._stages = pod_stages
        self._names = [f"kwok-{number}" for number in range(nodes)]
        self._resources = {**_PLENTY, "nvidia.com/gpu": str(gpus)}
        self._port = free_port()
        self.component = Component("kwok", self._command(binaries.kwok(report)), directory)

    def start(self) -> None:
        """Start kwok, create the nodes, and return when pods can be scheduled to them."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._control_plane.client_kubeconfig("kwok", ["system:masters"], self._directory / "kubeconfig")
        (self._directory / "kwok.yaml").write_text("\n---\n".join([self._configuration(), _NODE_STAGE, self._stages]))
        self.component.start()
        self.component.wait_for_answer(f"http://127.0.0.1:{self._port}/healthz")
        for name in self._names:
            self._control_plane.post("/api/v1/nodes", self._node(name))
        self.component.wait_until(self._nodes_are_ready, "ready to take pods")

    def stop(self) -> None:
        """Stop kwok. Its nodes and pods stay as they are."""
        self.component.stop()

    def _command(self, binary: Path) -> Sequence[str]:
        return [
            str(binary),
            f"--kubeconfig={self._directory}/kubeconfig",
            f"--config={self._directory}/kwok.yaml",
            "--manage-all-nodes=true",
            f"--node-lease-duration-seconds={_LEASE_SECONDS}",
            f"--server-address=127.0.0.1:{self._port}",
        ]

    def _configuration(self) -> str:
        names = ("podPlayStage", "nodePlayStage", "nodeLease", "podsOnNodeSync")
        options = ", ".join(f"{name}Parallelism: {_PARALLEL}" for name in names)
        return f"apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\noptions: {{{options}}}\n"

    def _node(self, name: str) -> dict[str, Any]:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        status = {
            "capacity": self._resources,
            "allocatable": self._resources,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        }
        metadata = {"name": name, "labels": labels}
        return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}

    def _nodes_are_ready(self) -> bool:
        found = self._control_plane.get("/api/v1/nodes")
        return found is not None and all(_takes_pods(node) for node in found["items"])


def _takes_pods(node: dict[str, Any]) -> bool:
    ready = [c for c in node["status"].get("conditions") or () if c["type"] == "Ready"]
    return bool(ready and ready[0]["status"] == "True" and not node["spec"].get("taints"))
