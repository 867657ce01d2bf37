"""The benchmark's own client of the API server, which costs as little as possible, and its watches."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self

import aiohttp

from posefleet_lab.control_plane import ControlPlane

#: Number of objects that are being created at the same time.
AT_ONCE = 32
_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
_MERGE = "application/merge-patch+json"
_LONG_SECONDS = 3600


class Api:
    """Requests of the administrator."""

    def __init__(self, plane: ControlPlane) -> None:
        context = ssl.create_default_context(cadata=plane.authority.certificate.decode())
        context.load_cert_chain(plane.directory / "pki" / "admin.crt", plane.directory / "pki" / "admin.key")
        self._server = plane.server
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        connector = aiohttp.TCPConnector(ssl=context, limit=AT_ONCE + 8)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._session.close()

    async def post(self, path: str, body: bytes) -> dict[str, Any]:
        """Create an object."""
        return await self._send("POST", path, body, "application/json")

    async def patch(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        """Change an object by a merge patch."""
        return await self._send("PATCH", path, json.dumps(change).encode(), _MERGE)

    async def get(self, path: str) -> dict[str, Any]:
        """Read an object or a list."""
        return await self._send("GET", path, None, "application/json")

    async def _send(self, method: str, path: str, body: bytes | None, kind: str) -> dict[str, Any]:
        headers = {"Content-Type": kind, "Accept": "application/json"}
        async with self._session.request(method, self._server + path, data=body, headers=headers) as response:
            text = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {text[:300]!r}")
        answer: dict[str, Any] = json.loads(text)
        return answer

    async def watch(self, path: str, selector: str, seen: Callable[[str, list[Any]], None]) -> None:
        """Call ``seen`` with the type of each event and the cells of its row in ``kubectl get``, until cancelled.

        A watch that ends, as that of a new kind does when the API server learns more of it, begins again with all
        objects.
        """
        query = {
            "watch": "true", "includeObject": "None", "timeoutSeconds": str(_LONG_SECONDS),
            "resourceVersion": "0", "labelSelector": selector,
        }  # fmt: skip
        headers = {"Accept": _TABLE}
        while True:
            async with self._session.get(
                self._server + path, params=query, headers=headers, read_bufsize=2**24
            ) as response:
                async for line in response.content if response.status == 200 else _nothing():
                    event = json.loads(line)
                    for row in event["object"].get("rows") or ():
                        seen(event["type"], row["cells"])
            await asyncio.sleep(0.2)


async def _nothing() -> AsyncIterator[bytes]:
    """Yield nothing: the API server does not serve a new kind yet."""
    return
    yield b""


class Phases:
    """The phase of every object of a kind, as a watch reports it, with the time of the last change."""

    def __init__(self, column: int) -> None:
        self._column = column
        self.of: dict[str, str] = {}
        #: When each object was first seen, and when its phase changed last (readings of ``time.monotonic``).
        self.first_seen: dict[str, float] = {}
        self.changed_at: dict[str, float] = {}
        #: When each object was last seen to change from Running to another phase.
        self.left_at: dict[str, float] = {}
        #: When each object was first seen to have failed.
        self.failed_at: dict[str, float] = {}
        self.events = 0

    def seen(self, kind: str, cells: list[Any]) -> None:
        """Take in an event."""
        self.events += 1
        name, phase = str(cells[0]), str(cells[self._column])
        now = time.monotonic()
        if kind == "DELETED":
            self.of.pop(name, None)
            return
        self.first_seen.setdefault(name, now)
        if self.of.get(name) == "Running" and phase != "Running":
            self.left_at[name] = now
        if phase == "Failed":
            self.failed_at.setdefault(name, now)
        if self.of.get(name) != phase:
            self.of[name], self.changed_at[name] = phase, now

    def count(self, phase: str) -> int:
        """Return the number of objects in a phase."""
        return sum(1 for each in self.of.values() if each == phase)


async def until(what: str, reached: Callable[[], bool], seconds: float, poll_seconds: float = 0.1) -> None:
    """Wait until ``reached`` returns True. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not reached after {seconds:.0f} s: {what}")
        await asyncio.sleep(poll_seconds)


async def all_at_once(works: Iterable[Awaitable[object]]) -> None:
    """Carry out works, of which ``AT_ONCE`` may run at the same time."""
    waiting = iter(works)

    async def worker() -> None:
        for work in waiting:
            await work

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
