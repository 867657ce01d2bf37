"""A local copy of what the API server holds, kept up to date through its restarts."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from .api import Api, ApiError
from .objects import Manifest, uid_of

_log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 0.2
_LONGEST_RETRY_SECONDS = 2.0


class Reflector:
    """Lists, then watches, then lists again when the watch breaks.

    ``changed`` is called for each object that is new or different and ``gone`` for each that
    disappeared, also where it disappeared while nobody watched.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        query: Mapping[str, str],
        changed: Callable[[Manifest], None],
        gone: Callable[[Manifest], None],
    ) -> None:
        self.objects: dict[str, Manifest] = {}
        self.synced = asyncio.Event()
        self._api, self._path, self._query = api, path, query
        self._changed, self._gone = changed, gone

    async def run(self) -> None:
        """Follow the API server until cancelled."""
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                version = await self._list()
                delay = _FIRST_RETRY_SECONDS
                while True:
                    version = await self._watch(version)
            except ApiError as error:
                _log.info("watch of %s broke: %s", self._path, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_RETRY_SECONDS)

    async def _list(self) -> str:
        found = await self._api.get(f"{self._path}?{urlencode(self._query)}")
        listed = {uid_of(item): item for item in found["items"]}
        for uid in [uid for uid in self.objects if uid not in listed]:
            self._gone(self.objects.pop(uid))
        for item in listed.values():
            self._apply(item)
        self.synced.set()
        return str(found["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        async for event in self._api.watch(self._path, {**self._query, "resourceVersion": version}):
            item = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(int(item.get("code", 0)), str(item.get("message", "")))
            version = str(item["metadata"]["resourceVersion"])
            if event["type"] == "DELETED":
                self.objects.pop(uid_of(item), None)
                self._gone(item)
            elif event["type"] != "BOOKMARK":
                self._apply(item)
        return version

    def _apply(self, item: Manifest) -> None:
        before = self.objects.get(uid_of(item))
        self.objects[uid_of(item)] = item
        if before is None or before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            self._changed(item)
