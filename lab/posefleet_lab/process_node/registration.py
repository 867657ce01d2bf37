"""The Node object of a process node, its status and its heartbeat Lease."""

import asyncio
import logging
import platform
from datetime import datetime
from pathlib import Path

from ..api_client import MERGE, Api, ApiError, until_reachable
from ..manifests import Manifest, micro_timestamp, now, timestamp
from .node_config import NodeConfig

_log = logging.getLogger(__name__)

_LEASE_SECONDS = 40
_RENEW_SECONDS = 10
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_HEALTHY = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
VERSION = "v1.34.4-posefleet-lab"


class Registration:
    """Creates the Node object of a process node and reports its status."""

    def __init__(self, api: Api, config: NodeConfig) -> None:
        self._api, self._config = api, config
        self._ready_since = now()

    async def register(self) -> None:
        """Create the Node, or take over an existing one of the same name, and report it as ready."""
        try:
            await until_reachable(lambda: self._api.create("/api/v1/nodes", self._node()))
        except ApiError as error:
            if error.status != 409:
                raise
        await self._renew()
        await until_reachable(self._report)

    async def heartbeat(self) -> None:
        """Renew the Lease until cancelled. Without it the node controller marks the node as unreachable."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await self._renew()
                await self._report()
            except ApiError as error:
                _log.warning("heartbeat failed: %s", error)

    async def _report(self) -> Manifest:
        path = f"/api/v1/nodes/{self._config.name}/status"
        return await self._api.patch(path, {"status": self._status()})

    async def _renew(self) -> None:
        lease = self._lease()
        try:
            await self._api.patch(f"{_LEASES}/{self._config.name}", lease, MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._api.create(_LEASES, lease)

    def _node(self) -> Manifest:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._config.name, "labels": self._labels()}}

    def _labels(self) -> dict[str, str]:
        return {
            "kubernetes.io/hostname": self._config.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": _architecture(),
            **self._config.labels,
        }

    def _lease(self) -> Manifest:
        spec = {
            "holderIdentity": self._config.name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": micro_timestamp(now()),
        }
        metadata = {"name": self._config.name, "namespace": "kube-node-lease"}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _status(self) -> Manifest:
        resources = self._config.allocatable()
        return {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [_condition(kind, *rest, self._ready_since) for kind, rest in _HEALTHY.items()],
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": self._config.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._config.port}},
            "nodeInfo": {
                "architecture": _architecture(),
                "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
                "containerRuntimeVersion": "process://1",
                "kernelVersion": platform.release(),
                "kubeProxyVersion": "",
                "kubeletVersion": VERSION,
                "machineID": self._config.name,
                "operatingSystem": "linux",
                "osImage": "posefleet lab",
                "systemUUID": self._config.name,
            },
        }


def _architecture() -> str:
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def _condition(kind: str, status: str, reason: str, message: str, since: datetime) -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": timestamp(now()),
        "lastTransitionTime": timestamp(since),
    }
