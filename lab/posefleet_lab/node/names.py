"""Keeps the hosts files of running pods up to date as Services and other pods come and go."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .api import Api
from .hosts import Entry, addresses, cluster_entries, hosts_file, rewrite
from .objects import Manifest, namespace_of, uid_of
from .reflector import Reflector

_ACTIVE = "status.phase!=Succeeded,status.phase!=Failed"


@dataclass
class _Subscriber:
    pod: Manifest
    address: str
    file: Path
    written: str = field(default="")


class NameDirectory:
    """Knows all Services and all pods with addresses, and writes the names into hosts files."""

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
        """Wait until all Services and pods were listed once."""
        await self._services.synced.wait()
        await self._pods.synced.wait()

    def subscribe(self, pod: Manifest, address: str, file: Path) -> None:
        """Write the hosts file of a pod now and whenever a name changes."""
        subscriber = _Subscriber(pod, address, file)
        self._subscribers[uid_of(pod)] = subscriber
        self._write(subscriber, self.entries())

    def unsubscribe(self, pod: Manifest) -> None:
        """Leave the pod's hosts file alone from now on."""
        self._subscribers.pop(uid_of(pod), None)

    def entries(self) -> list[Entry]:
        """Return all names that Services give to pods now."""
        return cluster_entries(self._services.objects.values(), self._pods.objects.values())

    def addresses(self, namespace: str) -> Mapping[str, str]:
        """Return the address of each name that a pod in ``namespace`` can use now."""
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
            await asyncio.sleep(0.05)  # a burst of changes is one rewrite

    @staticmethod
    def _write(subscriber: _Subscriber, entries: list[Entry]) -> None:
        near = [entry for entry in entries if entry.namespace == namespace_of(subscriber.pod)]
        far = [entry for entry in entries if entry.namespace != namespace_of(subscriber.pod)]
        text = hosts_file(subscriber.pod, subscriber.address, [*near, *far])
        if text != subscriber.written:
            rewrite(subscriber.file, text)
            subscriber.written = text
