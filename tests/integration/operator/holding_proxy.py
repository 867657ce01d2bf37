"""A network between an operator and the API server that holds requests back, or answers them, as a test asks for."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from support.loopback_proxy import ApiServerProxy

#: Tells a request by its method, its path and its body.
Matches = Callable[[str, str, bytes], bool]


@dataclass
class HeldRequest:
    """A request that matched, and what became of it."""

    method: str
    path: str
    #: The status and the object of the API server's answer, once it has been let go.
    answer: tuple[int, dict] | None = None


class HoldingProxy(ApiServerProxy):
    """Passes requests on with the credentials of a kubeconfig.

    A request that is held is passed on when ``let_go`` is called, whether or not the client still waits for it, as on
    a network that delivers late.
    """

    def __init__(self, target: Path, directory: Path) -> None:
        super().__init__(target, directory / "proxy.kubeconfig")
        self.held: list[HeldRequest] = []
        self._holds: Matches = lambda *_: False
        self._answers: Callable[[str, str], web.Response | None] = lambda *_: None
        self._go = asyncio.Event()

    def hold(self, matches: Matches) -> None:
        """Hold back the requests that match, from now on."""
        self._holds = matches

    def answer(self, answers: Callable[[str, str], web.Response | None]) -> None:
        """Give the answers of a function of method and path, from now on. Requests without one are passed on."""
        self._answers = answers

    def let_go(self) -> None:
        """Pass on what has been held, and hold nothing more."""
        self._holds = lambda *_: False
        self.loop.call_soon_threadsafe(self._go.set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer, hold or pass on a request."""
        if (given := self._answers(request.method, request.path)) is not None:
            return given
        body = await request.read()
        held = HeldRequest(request.method, request.path)
        if self._holds(request.method, request.path, body):
            self.held.append(held)
            await self._go.wait()
        async with self.send(request, body) as answer:
            if held in self.held:
                text = await answer.read()
                held.answer = answer.status, json.loads(text)
                return web.Response(status=answer.status, body=text, content_type="application/json")
            passed = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
            await passed.prepare(request)
            async for chunk in answer.content.iter_any():
                await passed.write(chunk)
            await passed.write_eof()
            return passed
