"""A client of the API server that works with plain dictionaries, built on ``kubernetes.aio``."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from .manifests import Manifest, uid_of

STRATEGIC_MERGE = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
_READ_SECONDS = 30
_WATCH_SECONDS = 240
_log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 0.2
_LONGEST_RETRY_SECONDS = 2.0


class ApiError(Exception):
    """The API server refused a request, with HTTP status ``status``, or could not be reached, with ``status`` 0."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Requests to one API server."""

    def __init__(self, api_client: Any) -> None:
        self._client = api_client

    @classmethod
    async def connect(cls, kubeconfig: str) -> "Api":
        """Return a client for the cluster and user of a kubeconfig."""
        configuration = client.Configuration()
        load: Any = config.load_kube_config
        await load(config_file=kubeconfig, client_configuration=configuration)
        configuration.connection_pool_maxsize = 200
        return cls(client.ApiClient(configuration))

    @property
    def server(self) -> str:
        """Return the API server's address."""
        return str(self._client.configuration.host)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str) -> Manifest:
        """Return an object or a list. Raises ApiError."""
        return await self._request("GET", path)

    async def create(self, path: str, body: Manifest) -> Manifest:
        """Create an object. Raises ApiError."""
        return await self._request("POST", path, body)

    async def patch(self, path: str, body: Manifest, content_type: str = STRATEGIC_MERGE) -> Manifest:
        """Patch an object. Raises ApiError."""
        return await self._request("PATCH", path, body, content_type)

    async def replace(self, path: str, body: Manifest) -> Manifest:
        """Replace an object. Raises ApiError."""
        return await self._request("PUT", path, body)

    async def delete(self, path: str, body: Manifest) -> Manifest:
        """Delete an object. Raises ApiError."""
        return await self._request("DELETE", path, body)

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Manifest]:
        """Yield watch events until the server ends the watch. Raises ApiError."""
        options = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
        response = await self._call("GET", f"{path}?{urlencode(options)}", timeout=_WATCH_SECONDS + 30)
        try:
            while line := await response.content.readline():
                yield json.loads(line)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise ApiError(0, str(error)) from None
        finally:
            response.close()

    async def _request(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = "application/json"
    ) -> Manifest:
        response = await self._call(method, path, body, content_type)
        try:
            found: Manifest = json.loads(await response.read())
        except (TimeoutError, aiohttp.ClientError) as error:
            raise ApiError(0, str(error)) from None
        return found

    async def _call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        timeout: float = _READ_SECONDS,  # noqa: ASYNC109 - the client's own option
    ) -> Any:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        url = self._client.configuration.host + path
        try:
            wrapped = await self._client.call_api(method, url, headers, body, _request_timeout=timeout)
            response = wrapped.response
            if response.status >= 400:
                raise ApiError(response.status, _message(await response.read()))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, f"{type(error).__name__}: {error}") from None
        return response


async def until_reachable(attempt: Any, *, seconds_between: float = 0.5) -> Manifest:
    """Call ``attempt`` again until the API server can be reached, and return its result.

    Raises:
        ApiError: the API server refuses the request with a status that says that a retry would not help.
    """
    while True:
        try:
            result: Manifest = await attempt()
        except ApiError as error:
            if error.status and error.status not in {429, 500, 503, 504}:
                raise
            await asyncio.sleep(seconds_between)
            continue
        return result


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body).get("message", ""))
    except ValueError:
        return body.decode(errors="replace")[:200]


class Reflector:
    """A local copy of a list of objects, kept up to date by listing, watching, and listing again when the watch breaks.

    ``changed`` is called with each object that is new or has a new resource version, and ``gone`` with each object
    that was deleted, including those deleted while the watch was broken.
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
        """Keep the copy up to date until cancelled."""
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
