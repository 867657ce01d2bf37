"""What proxies of tests have in common: a server on loopback in a thread of its own, and a session to pass on with."""

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web
from kubernetes import client, config


class LoopbackProxy:
    """Serves ``handle`` on a free port from ``with`` to its end. What it passes on goes through ``session``."""

    #: Options of its application and of its runner.
    application_options: dict[str, Any] = {"client_max_size": 2**26}
    runner_options: dict[str, Any] = {"shutdown_timeout": 0.1}
    #: Options of the session beside its connector and its timeout.
    session_options: dict[str, Any] = {}

    session: aiohttp.ClientSession
    port: int

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(20)

    def connector(self) -> aiohttp.TCPConnector:
        """Return how the target is reached."""
        return aiohttp.TCPConnector(limit=0)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        raise NotImplementedError

    async def _serve(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=self.connector(), timeout=timeout, **self.session_options
        ) as self.session:
            application = web.Application(**self.application_options)
            application.router.add_route("*", "/{path:.*}", self.handle)
            runner = web.AppRunner(application, **self.runner_options)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._listening.set()
            await self._stopped.wait()
            await runner.cleanup()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


class ApiServerProxy(LoopbackProxy):
    """Passes requests on to the API server of a kubeconfig, with its credentials."""

    def __init__(self, target: Path, kubeconfig: Path) -> None:
        """``kubeconfig`` is a file that is to lead through this proxy, from ``with`` on."""
        super().__init__()
        self.kubeconfig = kubeconfig
        self._settings: client.Configuration = config.new_client_from_config(str(target)).configuration

    def __enter__(self) -> Self:
        super().__enter__()
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }  # fmt: skip
        self.kubeconfig.write_text(yaml.safe_dump(content))
        return self

    def connector(self) -> aiohttp.TCPConnector:
        """Return how the API server is reached."""
        tls = ssl.create_default_context(cafile=self._settings.ssl_ca_cert)
        tls.load_cert_chain(self._settings.cert_file, self._settings.key_file)
        return aiohttp.TCPConnector(ssl=tls, limit=0)

    def send(self, request: web.Request, body: bytes) -> Any:
        """Send a request with ``body`` to the API server; a context manager of its answer."""
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        url = f"{self._settings.host}{request.raw_path}"
        return self.session.request(request.method, url, data=body or None, headers=headers)
