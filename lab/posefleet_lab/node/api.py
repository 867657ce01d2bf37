"""The API server, seen as plain dictionaries over ``kubernetes.aio``."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from .objects import Manifest

STRATEGIC_MERGE = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
_READ_SECONDS = 30
_WATCH_SECONDS = 240


class ApiError(Exception):
    """The API server refused a request; ``status`` is the HTTP status, 0 where it could not be reached."""

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
    """Call ``attempt`` until the API server answers; raises ApiError for every answer that is a refusal."""
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
