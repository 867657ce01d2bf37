"""Hosts files of pods, which give pods and Services their names.

The endpoint-slice controller refuses loopback addresses, so the node does for its processes what cluster DNS does from
EndpointSlices: a pod behind a Service has a name once it has an address and is ready, or at once where the Service
publishes addresses that are not ready.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...api_client import Api, Reflector
from ...manifests import Manifest, name_of, namespace_of, uid_of

_DOMAIN = "cluster.local"
_PREAMBLE = (
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
)
_ACTIVE = "status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True)
class Entry:
    """The address of a name. Pods in ``namespace`` can also use its short forms."""

    address: str
    name: str
    namespace: str

    def names_for(self, namespace: str) -> list[str]:
        """Return the forms of the name that a pod in ``namespace`` can use."""
        scoped = f"{self.name}.{self.namespace}"
        forms = [f"{scoped}.svc.{_DOMAIN}", f"{scoped}.svc", scoped]
        return [*forms, self.name] if namespace == self.namespace else forms


def cluster_entries(services: Iterable[Manifest], pods: Iterable[Manifest]) -> list[Entry]:
    """Return the names that Services give to pods."""
    by_namespace: dict[str, list[Manifest]] = {}
    for pod in pods:
        by_namespace.setdefault(namespace_of(pod), []).append(pod)
    entries: list[Entry] = []
    for service in services:
        if service["spec"].get("selector"):
            entries += _service_entries(service, by_namespace.get(namespace_of(service), []))
    return entries


def hosts_file(pod: Manifest, address: str, entries: Sequence[Entry]) -> str:
    """Return a pod's hosts file: itself, its hostAliases, and the names it can reach."""
    lines = [*_PREAMBLE, f"{address}\t{' '.join(_own_names(pod))}"]
    for alias in pod["spec"].get("hostAliases") or []:
        lines.append(f"{alias['ip']}\t{' '.join(alias.get('hostnames') or [])}")
    lines += [f"{entry.address}\t{' '.join(entry.names_for(namespace_of(pod)))}" for entry in entries]
    return "\n".join(lines) + "\n"


def hostname_of(pod: Manifest) -> str:
    """Return the pod's hostname, at most 63 characters."""
    return str(pod["spec"].get("hostname") or name_of(pod))[:63].rstrip("-.")


def addresses(entries: Iterable[Entry], namespace: str) -> Mapping[str, str]:
    """Return the first address of every name that a pod in ``namespace`` can use."""
    found: dict[str, str] = {}
    for entry in entries:
        for name in entry.names_for(namespace):
            found.setdefault(name, entry.address)
    return found


def rewrite(path: Path, text: str) -> None:
    """Replace the content of a file in place, because the file is bind-mounted into running containers.

    The new text overwrites the old one before the file is truncated, so that a reader never sees an empty file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        data = text.encode()
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def _own_names(pod: Manifest) -> list[str]:
    hostname, subdomain = hostname_of(pod), pod["spec"].get("subdomain")
    if not subdomain:
        return [hostname]
    return [f"{hostname}.{subdomain}.{namespace_of(pod)}.svc.{_DOMAIN}", hostname]


def _service_entries(service: Manifest, pods: Sequence[Manifest]) -> list[Entry]:
    spec, name, namespace = service["spec"], name_of(service), namespace_of(service)
    entries = []
    for pod in pods:
        if _selected(spec["selector"], pod) and _published(spec, pod):
            address = pod["status"]["podIP"]
            if spec.get("clusterIP") == "None" and pod["spec"].get("subdomain") == name:
                entries.append(Entry(address, f"{hostname_of(pod)}.{name}", namespace))
            entries.append(Entry(address, name, namespace))
    return entries


def _selected(selector: Mapping[str, str], pod: Manifest) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _published(spec: Manifest, pod: Manifest) -> bool:
    status = pod.get("status") or {}
    if not status.get("podIP") or status.get("phase") in {"Succeeded", "Failed"}:
        return False
    if spec.get("publishNotReadyAddresses"):
        return True
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    return ready and not pod["metadata"].get("deletionTimestamp")


@dataclass
class _Subscriber:
    pod: Manifest
    address: str
    file: Path
    written: str = field(default="")


class NameDirectory:
    """Follows all Services and all pods with addresses, and writes their names into hosts files."""

    def __init__(self, api: Api) -> None:
        self._services = Reflector(api, "/api/v1/services", {}, self._changed, self._changed)
        self._pods = Reflector(api, "/api/v1/pods", {"fieldSelector": _ACTIVE}, self._changed, self._changed)
        self._subscribers: dict[str, _Subscriber] = {}
        self._dirty = asyncio.Event()

    async def run(self) -> None:
        """Follow the API server and rewrite hosts files until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._services.run())
            tasks.create_task(self._pods.run())
            tasks.create_task(self._rewrite_all())

    async def synced(self) -> None:
        """Wait until all Services and pods have been listed once."""
        await self._services.synced.wait()
        await self._pods.synced.wait()

    def subscribe(self, pod: Manifest, address: str, file: Path) -> None:
        """Write the hosts file of a pod now and whenever a name or address changes."""
        subscriber = _Subscriber(pod, address, file)
        self._subscribers[uid_of(pod)] = subscriber
        self._write(subscriber, self.entries())

    def unsubscribe(self, pod: Manifest) -> None:
        """Stop updating the hosts file of a pod."""
        self._subscribers.pop(uid_of(pod), None)

    def entries(self) -> list[Entry]:
        """Return all names that Services currently give to pods."""
        return cluster_entries(self._services.objects.values(), self._pods.objects.values())

    def addresses(self, namespace: str) -> Mapping[str, str]:
        """Return the current address of each name that a pod in ``namespace`` can use."""
        return addresses(self.entries(), namespace)

    def _changed(self, _manifest: Manifest) -> None:
        self._dirty.set()

    async def _rewrite_all(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            entries = self.entries()
            for subscriber in list(self._subscribers.values()):
                self._write(subscriber, entries)
            await asyncio.sleep(0.05)  # rewrite once for a burst of changes

    @staticmethod
    def _write(subscriber: _Subscriber, entries: list[Entry]) -> None:
        near = [entry for entry in entries if entry.namespace == namespace_of(subscriber.pod)]
        far = [entry for entry in entries if entry.namespace != namespace_of(subscriber.pod)]
        text = hosts_file(subscriber.pod, subscriber.address, [*near, *far])
        if text != subscriber.written:
            rewrite(subscriber.file, text)
            subscriber.written = text
