"""A network between an operator and the API server on which requests fail, get lost, or reach the server unanswered."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from support.loopback_proxy import ApiServerProxy

#: What programs call the errors that the network pretends to be.
_REASONS = {409: "Conflict", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError"}
_READS = frozenset({"GET", "HEAD"})
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Request:
    """A request of an operator."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""

    @property
    def point(self) -> tuple[str, str, str]:
        """What tells a write from others: the object that it creates, or the version that it changes."""
        metadata = json.loads(self.body or b"{}").get("metadata") or {}
        return self.method, self.path, str(metadata.get("resourceVersion") or metadata.get("name") or "")

    @property
    def watches(self) -> bool:
        """Whether it follows changes and so has no end."""
        return "watch=true" in self.query or "watch=1" in self.query

    @property
    def writes(self) -> bool:
        """Whether it changes an object of a job. The Lease is not one, and a dry run changes nothing."""
        return self.method not in _READS and "dryRun" not in self.query and "/leases" not in self.path


@dataclass(frozen=True)
class Fate:
    """What becomes of a request."""

    #: The API server gets it.
    arrives: bool = True
    #: The operator gets an answer.
    answered: bool = True
    #: The status of an answer that the API server did not give.
    status: int = 0
    #: Called with the status of the API server's answer, or with 0 if it did not get the request.
    then: Callable[[int], None] | None = None


PASSES = Fate()


class Network(ApiServerProxy):
    """Passes requests on with the credentials of a kubeconfig, unless ``fate`` says otherwise."""

    def __init__(self, target: Path, directory: Path) -> None:
        super().__init__(target, directory / "network.kubeconfig")
        self.fate: Callable[[Request], Fate] = lambda _: PASSES
        #: How many requests met with which fate, to show that a fault took place.
        self.disturbed: Counter[str] = Counter()
        self._watches: set[web.StreamResponse] = set()
        self._requests: dict[web.StreamResponse, web.Request] = {}

    def heal(self) -> None:
        """Pass everything on from now on."""
        self.fate = lambda _: PASSES

    def cut_watches(self) -> None:
        """Break all watches off."""
        self.loop.call_soon_threadsafe(self._cut_watches)

    def _cut_watches(self) -> None:
        for response in list(self._watches):
            self.disturbed["watches cut"] += 1
            _abort(self._requests[response])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Let a request meet with its fate."""
        body = await request.read()
        fate = self.fate(Request(request.method, request.path, request.query_string, body))
        if fate is not PASSES:
            self.disturbed[f"{fate.status or 'lost'}"] += 1
        try:
            response = await self._pass_on(request, body, fate) if fate.arrives else None
        except (aiohttp.ClientError, ConnectionError):
            _abort(request)
            return web.Response(status=502)
        if fate.then is not None:
            fate.then(response.status if response is not None else 0)
        if not fate.answered:
            await asyncio.sleep(_TIMEOUT_SECONDS)
            _abort(request)
        return response or _failure(fate.status or 502)

    async def _pass_on(self, request: web.Request, body: bytes, fate: Fate) -> web.StreamResponse:
        async with self.send(request, body) as answer:
            if fate.then is not None or not fate.answered:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
            kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            watches = Request(request.method, request.path, request.query_string).watches
            if watches:
                self._watches.add(response)
                self._requests[response] = request
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            finally:
                self._watches.discard(response)
                self._requests.pop(response, None)
            return response


def _abort(request: web.Request) -> None:
    """Break the connection off, without an end of the answer."""
    if request.transport is not None:
        request.transport.abort()


def _failure(status: int) -> web.Response:
    reason = _REASONS.get(status, "InternalError")
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": reason}
    body["message"] = f"{reason}: the network answered this"
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)
