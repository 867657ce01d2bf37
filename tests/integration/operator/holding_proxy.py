"""A network between an operator and the API server that holds requests back, or answers them, as a test asks for."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from kubernetes import client, config

#: Tells a request by its method, its path and its body.
Matches = Callable[[str, str, bytes], bool]


@dataclass
class HeldRequest:
    """A request that matched, and what became of it."""

    method: str
    path: str
    #: The status and the object of the API server's answer, once it has been let go.
    answer: tuple[int, dict] | None = None


@dataclass
class HoldingProxy:
    """Passes requests on with the credentials of a kubeconfig.

    A request that is held is passed on when ``let_go`` is called, whether or not the client still waits for it, as on
    a network that delivers late.
    """

    target: Path
    directory: Path
    held: list[HeldRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._holds: Matches = lambda *_: False
        self._answers: Callable[[str, str], web.Response | None] = lambda *_: None
        self._go = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._port = 0
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> "HoldingProxy":
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(20)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that leads through this proxy."""
        path = self.directory / "proxy.kubeconfig"
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(content))
        return path

    def hold(self, matches: Matches) -> None:
        """Hold back the requests that match, from now on."""
        self._holds = matches

    def answer(self, answers: Callable[[str, str], web.Response | None]) -> None:
        """Give the answers of a function of method and path, from now on. Requests without one are passed on."""
        self._answers = answers

    def let_go(self) -> None:
        """Pass on what has been held, and hold nothing more."""
        self._holds = lambda *_: False
        self._loop.call_soon_threadsafe(self._go.set)

    async def _serve(self) -> None:
        settings: client.Configuration = config.new_client_from_config(str(self.target)).configuration
        self._host = settings.host
        tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        tls.load_cert_chain(settings.cert_file, settings.key_file)
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
            self._session = session
            application = web.Application(client_max_size=2**26)
            application.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(application, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port = runner.addresses[0][1]
            self._listening.set()
            await self._stopped.wait()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if (given := self._answers(request.method, request.path)) is not None:
            return given
        body = await request.read()
        held = HeldRequest(request.method, request.path)
        if self._holds(request.method, request.path, body):
            self.held.append(held)
            await self._go.wait()
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        url = f"{self._host}{request.raw_path}"
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
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
