"""The volumes of a pod, each a directory or file of this machine."""

import base64
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...api_client import Api, ApiError
from ...manifests import Manifest, name_of, namespace_of, uid_of
from .environment import field_value, resource_value
from .projection import ProjectedFile, write_files

_MEMORY = Path("/dev/shm")  # noqa: S108 - the host's memory file system, for emptyDirs of medium Memory
_READ_ONLY_KINDS = ("configMap", "secret", "projected", "downwardAPI")


class VolumeError(Exception):
    """A volume cannot be set up yet. The message is the one that a kubelet gives."""


class ClusterObjects:
    """Reads ConfigMaps, Secrets and service account tokens from the API server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of a ConfigMap by key, or None if it does not exist."""
        found = await self._get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        if found is None:
            return None
        text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of a Secret by key, or None if it does not exist."""
        found = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    async def token(self, pod: Manifest, audience: str, seconds: int) -> bytes:
        """Return a token of the pod's service account that is bound to the pod and valid for ``seconds``."""
        account = pod["spec"].get("serviceAccountName") or "default"
        bound = {"kind": "Pod", "apiVersion": "v1", "name": name_of(pod), "uid": uid_of(pod)}
        spec = {"audiences": [audience] if audience else [], "expirationSeconds": seconds, "boundObjectRef": bound}
        path = f"/api/v1/namespaces/{namespace_of(pod)}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._api.create(path, body)
        return str(answer["status"]["token"]).encode()

    async def _get(self, path: str) -> Manifest | None:
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise


def free_memory(uid: str) -> None:
    """Free the memory of a pod's emptyDirs of medium Memory."""
    shutil.rmtree(_memory(uid), ignore_errors=True)


def _memory(uid: str) -> Path:
    return _MEMORY / f"posefleet-lab-{uid}"


@dataclass
class PodVolumes:
    """The volumes of one pod, in ``directory``."""

    pod: Manifest
    directory: Path
    objects: ClusterObjects
    allocatable: Mapping[str, str]
    #: Holds the emptyDirs of all pods, on a disk of their own. None to keep them with the pod's other volumes.
    empty_dirs: Path | None = None

    async def set_up(self) -> None:
        """Create every volume, or update its files. Raises VolumeError."""
        for volume in self.pod["spec"].get("volumes") or []:
            try:
                await self._set_up(volume)
            except ApiError as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from None

    def path(self, name: str) -> Path:
        """Return the directory or file of the volume ``name``."""
        volume = self._volume(name)
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        if (volume.get("emptyDir") or {}).get("medium") == "Memory" and _MEMORY.is_dir():
            return _memory(uid_of(self.pod)) / name
        if "emptyDir" in volume and self.empty_dirs is not None:
            return self.empty_dirs / uid_of(self.pod) / name
        return self.directory / name

    def read_only(self, name: str) -> bool:
        """Return whether volumes of this kind are always read-only."""
        return any(kind in self._volume(name) for kind in _READ_ONLY_KINDS)

    def size_limits(self) -> dict[str, str]:
        """Return the sizeLimit, as a Kubernetes quantity, of each emptyDir that has one."""
        volumes = self.pod["spec"].get("volumes") or []
        limits = {volume["name"]: (volume.get("emptyDir") or {}).get("sizeLimit") for volume in volumes}
        return {name: str(limit) for name, limit in limits.items() if limit}

    def remove(self) -> None:
        """Delete all volumes except those of type hostPath."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.empty_dirs is not None:
            shutil.rmtree(self.empty_dirs / uid_of(self.pod), ignore_errors=True)
        free_memory(uid_of(self.pod))

    def _volume(self, name: str) -> Manifest:
        for volume in self.pod["spec"].get("volumes") or []:
            if volume["name"] == name:
                return dict(volume)
        raise VolumeError(f'pod has no volume "{name}"')

    async def _set_up(self, volume: Manifest) -> None:
        name = volume["name"]
        if "hostPath" in volume:
            _check_host_path(name, volume["hostPath"])
            return
        if "emptyDir" in volume:
            path = self.path(name)
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o777)
            return
        sources: dict[str, Callable[[Manifest], Awaitable[dict[str, ProjectedFile]]]] = {
            "configMap": self._config_map,
            "secret": self._secret,
            "downwardAPI": self._downward,
            "projected": self._projected,
        }
        for kind, read in sources.items():
            if kind in volume:
                write_files(self.path(name), await self._read(name, read, volume[kind]))
                return
        kinds = [key for key in volume if key != "name"]
        raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : no volume plugin matched {kinds}')

    async def _read(
        self, name: str, read: Callable[[Manifest], Awaitable[dict[str, ProjectedFile]]], source: Manifest
    ) -> dict[str, ProjectedFile]:
        try:
            return await read(source)
        except VolumeError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None

    async def _config_map(self, source: Manifest) -> dict[str, ProjectedFile]:
        data = await self.objects.config_map(namespace_of(self.pod), source["name"])
        return _chosen(source, data, "configmap", source["name"], namespace_of(self.pod))

    async def _secret(self, source: Manifest) -> dict[str, ProjectedFile]:
        name = source.get("secretName") or source["name"]
        data = await self.objects.secret(namespace_of(self.pod), name)
        return _chosen(source, data, "secret", name, namespace_of(self.pod))

    async def _downward(self, source: Manifest) -> dict[str, ProjectedFile]:
        files = {}
        for item in source.get("items") or []:
            text = self._downward_value(item)
            files[item["path"]] = ProjectedFile(text.encode(), _mode(source, item))
        return files

    def _downward_value(self, item: Manifest) -> str:
        if "fieldRef" in item:
            return field_value(self.pod, item["fieldRef"]["fieldPath"])
        reference = item["resourceFieldRef"]
        containers = [c for c in self.pod["spec"]["containers"] if c["name"] == reference["containerName"]]
        return resource_value(containers[0], reference, self.allocatable)

    async def _projected(self, source: Manifest) -> dict[str, ProjectedFile]:
        files: dict[str, ProjectedFile] = {}
        for part in source.get("sources") or []:
            inherited = {"defaultMode": source.get("defaultMode")}
            if "configMap" in part:
                files |= await self._config_map(inherited | part["configMap"])
            elif "secret" in part:
                files |= await self._secret(inherited | part["secret"])
            elif "downwardAPI" in part:
                files |= await self._downward(inherited | part["downwardAPI"])
            elif "serviceAccountToken" in part:
                files |= await self._token(inherited | part["serviceAccountToken"])
        return files

    async def _token(self, source: Manifest) -> dict[str, ProjectedFile]:
        seconds = int(source.get("expirationSeconds") or 3600)
        token = await self.objects.token(self.pod, source.get("audience") or "", seconds)
        return {source["path"]: ProjectedFile(token, 0o600)}


def _chosen(
    source: Manifest, data: Mapping[str, bytes] | None, kind: str, name: str, namespace: str
) -> dict[str, ProjectedFile]:
    if data is None:
        if source.get("optional"):
            return {}
        raise VolumeError(f'{kind} "{name}" not found')
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    files = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = ProjectedFile(data[item["key"]], _mode(source, item))
        elif not source.get("optional"):
            raise VolumeError(f"references non-existent {kind} key: {item['key']} in {namespace}/{name}")
    return files


def _mode(source: Manifest, item: Manifest) -> int:
    mode = item.get("mode")
    if mode is None:
        mode = source.get("defaultMode")
    return 0o644 if mode is None else int(mode)


def _check_host_path(name: str, source: Manifest) -> None:
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    checks: dict[str, Callable[[], bool]] = {"Directory": path.is_dir, "File": path.is_file}
    if kind and not checks.get(kind, path.exists)():
        raise VolumeError(
            f'MountVolume.SetUp failed for volume "{name}" : hostPath type check failed: {path} is not a {kind.lower()}'
        )
    if not path.exists():
        path.mkdir(parents=True)
