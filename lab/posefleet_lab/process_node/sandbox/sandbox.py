"""The directory, address and volumes of one pod, and the launch specification of each of its containers."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ...api_client import Api
from ...manifests import Manifest, name_of, namespace_of, uid_of
from ...ports import LoopbackNetwork
from ..events import EventRecorder
from ..launcher.program import LaunchSpec, Mount
from ..node_config import Image, NodeConfig
from .environment import ConfigError, EnvironmentBuilder, expand, user_and_group
from .hosts_files import NameDirectory, hostname_of
from .volumes import ClusterObjects, PodVolumes

_END_OF_NAME = r"(?![A-Za-z0-9_.-])"
HOST_IP = "127.0.0.1"
_DEFAULT_TERMINATION_PATH = "/dev/termination-log"
_NAMES_SECONDS = 10.0
_NAMES_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class NodeServices:
    """The configuration and connections of a node, which all its pods share."""

    config: NodeConfig
    api: Api
    server: str
    events: EventRecorder
    objects: ClusterObjects
    names: NameDirectory
    network: LoopbackNetwork
    isolated: bool

    def service_variables(self) -> dict[str, str]:
        """Return the environment variables by which a pod finds the API server."""
        address = urlsplit(self.server)
        host, port = str(address.hostname), str(address.port)
        return {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_PORT_HTTPS": port,
            "KUBERNETES_PORT": f"tcp://{host}:{port}",
        }


def translate(text: str, paths: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Replace paths and host names in a text for a container that runs without its own mount namespace.

    Such a container sees the files of this machine under their own names. A path at which it expects a volume, and the
    name of another pod, are therefore replaced by the path on this machine and by the address.

    Args:
        text: one argument or variable of the container.
        paths: maps each mount path to the path on this machine. Paths below a mount path are replaced too.
        names: maps each host name to an address. Only whole names are replaced.
    """
    if paths:
        text = _replace(text, paths, r"(?<![A-Za-z0-9_./-])(?:{})" + r"(?=$|[/:,;\s\"'])")
    if names:
        text = _replace(text, names, r"(?<![A-Za-z0-9_.-])(?:{})" + _END_OF_NAME)
    return text


def names_of_service(text: str, service: str, namespace: str) -> set[str]:
    """Return the names in a text that have the form of a pod's name behind ``service``, as used in ``namespace``."""
    suffix = rf"{re.escape(service)}(?:\.{re.escape(namespace)}(?:\.svc(?:\.cluster\.local)?)?)?"
    return set(re.findall(rf"(?<![A-Za-z0-9_.-])[a-z0-9][a-z0-9-]*\.{suffix}{_END_OF_NAME}", text))


def _replace(text: str, table: Mapping[str, str], pattern: str) -> str:
    longest_first = sorted(table, key=len, reverse=True)
    expression = pattern.format("|".join(re.escape(key) for key in longest_first))
    return re.sub(expression, lambda match: table[match[0]], text)


def pod_directory(base: Path, pod: Manifest) -> Path:
    """Return the directory of a pod's files in the node's directory ``base``."""
    return base / "pods" / f"{namespace_of(pod)}_{name_of(pod)}_{uid_of(pod)}"


@dataclass
class PodSandbox:
    """The address, directory and volumes of a pod. ``changed`` is called when the pod's status may have changed."""

    node: NodeServices
    pod: Manifest
    address: str
    changed: Callable[[], None]

    @property
    def directory(self) -> Path:
        """Return the directory with all of the pod's files."""
        return pod_directory(self.node.config.directory, self.pod)

    @property
    def volumes(self) -> PodVolumes:
        """Return the pod's volumes."""
        pod, directory = self.addressed_pod(), self.directory / "volumes"
        config = self.node.config
        return PodVolumes(pod, directory, self.node.objects, config.allocatable(), config.empty_dirs)

    def prepare(self) -> None:
        """Create the directory and the hosts file."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "root").mkdir(exist_ok=True)
        (self.directory / "hostname").write_text(hostname_of(self.pod) + "\n")
        self.node.names.subscribe(self.pod, self.address, self.directory / "hosts")

    def addressed_pod(self) -> Manifest:
        """Return the pod with its addresses, which the downward API may need before the API server has them."""
        addresses = {"podIP": self.address, "podIPs": [{"ip": self.address}], "hostIP": HOST_IP}
        status = {**(self.pod.get("status") or {}), **addresses, "hostIPs": [{"ip": HOST_IP}]}
        return {**self.pod, "status": status}

    def log_file(self, container: str, run: int) -> Path:
        """Return the log file of a run of a container, counted from 0."""
        return self._container_file(container, f"{run}.log")

    def termination_file(self, container: str, run: int) -> Path:
        """Return the file that is mounted at the container's terminationMessagePath."""
        return self._container_file(container, f"{run}.termination")

    def spec_file(self, container: str) -> Path:
        """Return the file with the launch specification of a container."""
        return self._container_file(container, "launch.json")

    async def launch_spec(self, container: Manifest, image: Image, run: int) -> LaunchSpec:
        """Return the launch specification of a container's run. Raises ConfigError or ApiError."""
        env = await self._environment(container, image)
        uid, gid = user_and_group(self.pod, container, image)
        context = container.get("securityContext") or {}
        spec = LaunchSpec(
            argv=_argv(container, image, env),
            env=env,
            working_directory=container.get("workingDir") or "/",
            hostname=hostname_of(self.pod),
            uid=uid,
            gid=gid,
            root=str(self.directory / "root"),
            mounts=self._mounts(container, run, env),
            kept_paths=image.kept_paths(),
            read_only_root=bool(context.get("readOnlyRootFilesystem")),
            isolated=self.node.isolated,
        )
        return spec if self.node.isolated else await self._translated(spec)

    async def _environment(self, container: Manifest, image: Image) -> dict[str, str]:
        base = {
            **image.env(),
            "HOSTNAME": hostname_of(self.pod),
            "HOME": "/",
            **self.node.service_variables(),
        }
        pod, objects = self.addressed_pod(), self.node.objects
        builder = EnvironmentBuilder(pod, objects, self.node.config.allocatable(), base)
        return await builder.build(container)

    def _mounts(self, container: Manifest, run: int, env: Mapping[str, str]) -> list[Mount]:
        termination = self.termination_file(container["name"], run)
        termination.touch()
        termination.chmod(0o666)
        mounts = [
            Mount("/etc/hosts", str(self.directory / "hosts")),
            Mount("/etc/hostname", str(self.directory / "hostname"), read_only=True),
            Mount(container.get("terminationMessagePath") or _DEFAULT_TERMINATION_PATH, str(termination)),
        ]
        return mounts + [self._volume_mount(mount, env) for mount in container.get("volumeMounts") or []]

    def _volume_mount(self, mount: Manifest, env: Mapping[str, str]) -> Mount:
        volumes = self.volumes
        source = volumes.path(mount["name"])
        below = expand(mount.get("subPathExpr") or "", env) or mount.get("subPath") or ""
        if below:
            source = _inside(source, below)
        read_only = bool(mount.get("readOnly")) or volumes.read_only(mount["name"])
        return Mount(mount["mountPath"], str(source), read_only)

    async def _translated(self, spec: LaunchSpec) -> LaunchSpec:
        paths = {mount.path.rstrip("/"): mount.source for mount in spec.mounts if mount.path != "/etc/hosts"}
        names = await self._names_in([*spec.argv, *spec.env.values()])
        kept = set(spec.kept_paths)
        return replace(
            spec,
            argv=[translate(text, paths, names) for text in spec.argv],
            env={
                key: value if value in kept or key == "PATH" else translate(value, paths, names)
                for key, value in spec.env.items()
            },
            working_directory=translate(spec.working_directory, paths, {}),
        )

    async def _names_in(self, texts: Sequence[str]) -> Mapping[str, str]:
        """Return the address of every known name, once the names of the pod's own Service in ``texts`` are known.

        The pods of a gang start together, and their translated names cannot change later, so this waits up to 10
        seconds for the Service and for the addresses of the other pods.
        """
        namespace, service = namespace_of(self.pod), self.pod["spec"].get("subdomain")
        wanted = {name for text in texts for name in names_of_service(text, service, namespace)} if service else set()
        deadline = time.monotonic() + _NAMES_SECONDS
        while True:
            known = self.node.names.addresses(namespace)
            if wanted <= known.keys() or time.monotonic() > deadline:
                return known
            await asyncio.sleep(_NAMES_POLL_SECONDS)

    def _container_file(self, container: str, name: str) -> Path:
        directory = self.directory / "containers" / container
        directory.mkdir(parents=True, exist_ok=True)
        return directory / name


def _argv(container: Manifest, image: Image, env: Mapping[str, str]) -> list[str]:
    command = container.get("command") or image.entrypoint
    argv = [expand(text, env) for text in [*command, *(container.get("args") or [])]]
    if not argv:
        raise ConfigError("no command specified")
    return argv


def _inside(volume: Path, below: str) -> Path:
    """Return the subPath ``below`` of a volume, created if necessary. Raises ConfigError if it leaves the volume."""
    path = volume / below
    if not path.resolve().is_relative_to(volume.resolve()):
        raise ConfigError(f'failed to prepare subPath for volumeMount: "{below}" leaves the volume')
    if not path.exists():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
    return path
