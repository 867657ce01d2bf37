"""A network between trainers and their object store that is down, slow, or changes bytes."""

import asyncio
import random

import aiohttp
from aiohttp import web
from yarl import URL

from support.loopback_proxy import LoopbackProxy

_CHUNK_BYTES = 64 * 1024


class StoreNetwork(LoopbackProxy):
    """Passes S3 requests on. Trainers use ``endpoint``; the signatures are theirs."""

    application_options = {"client_max_size": 2**32}
    runner_options = {"shutdown_timeout": 0.1, "handler_cancellation": True}
    session_options = {"auto_decompress": False}

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target
        self.down = False
        #: Seconds before each answer, and between two parts of 64 KiB.
        self.delay_seconds = 0.0
        #: The share of downloads in which one bit is changed.
        self.corrupt_share = 0.0
        self.dice = random.Random()
        #: How many requests were disturbed, to show that a fault took place.
        self.disturbed = 0

    @property
    def endpoint(self) -> str:
        """Where trainers find the store."""
        return f"http://127.0.0.1:{self.port}"

    def heal(self) -> None:
        """Pass everything on from now on."""
        self.down, self.delay_seconds, self.corrupt_share = False, 0.0, 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, as far as the store is there."""
        if self.down:
            return self._break_off(request)
        body = await request.read()
        if self.delay_seconds:
            self.disturbed += 1
            await asyncio.sleep(self.delay_seconds)
        url = URL(self._target + request.raw_path, encoded=True)
        try:
            async with self.session.request(request.method, url, data=body, headers=request.headers) as answer:
                return await self._pass_back(request, answer)
        except (aiohttp.ClientError, ConnectionError):
            return self._break_off(request)

    async def _pass_back(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        content = bytearray(await answer.read())
        if _is_download(request) and content and self.dice.random() < self.corrupt_share:
            self.disturbed += 1
            content[self.dice.randrange(len(content))] ^= 1 << self.dice.randrange(8)
        hop = {"transfer-encoding", "connection", "keep-alive"}
        response = web.StreamResponse(status=answer.status)
        response.headers.extend({name: text for name, text in answer.headers.items() if name.lower() not in hop})
        await response.prepare(request)
        for start in range(0, len(content), _CHUNK_BYTES):
            await response.write(bytes(content[start : start + _CHUNK_BYTES]))
            if self.down:
                return self._break_off(request)
            await asyncio.sleep(self.delay_seconds)
        await response.write_eof()
        return response

    def _break_off(self, request: web.Request) -> web.Response:
        self.disturbed += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)


def _is_download(request: web.Request) -> bool:
    """Whether this reads an object, and not a listing."""
    return request.method == "GET" and request.path.count("/") > 1 and not request.path.endswith("/")
