"""The agent's HTTPS server, from which the API server reads logs for ``kubectl logs``."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from .containers.logs import LogOptions, read_log
from .containers.states import Waiting
from .node_config import NodeConfig
from .pods.worker import PodWorker

FindPod = Callable[[str, str], PodWorker | None]


class KubeletServer:
    """Serves container logs to clients that have a certificate of the cluster's authority."""

    def __init__(self, config: NodeConfig, find_pod: FindPod) -> None:
        self._config, self._find_pod = config, find_pod
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on the node's port."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/healthz", self._healthz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._config.port, ssl_context=self._tls()).start()

    async def stop(self) -> None:
        """Close the server and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._config.client_authority)
        context.load_cert_chain(self._config.serving_certificate, self._config.serving_key)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        place = request.match_info
        worker = self._find_pod(place["namespace"], place["pod"])
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{place["pod"]}" is not on this node')
        options = LogOptions.from_query(dict(request.query))
        file, ended = _log_of(worker, place["container"], previous=request.query.get("previous") == "true")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for chunk in read_log(file, options, ended):
            await response.write(chunk)
        await response.write_eof()
        return response


def _log_of(worker: PodWorker, name: str, *, previous: bool) -> tuple[Path, asyncio.Event]:
    """Return the log file of a container and the event that is set when the log is complete."""
    runner = worker.containers.runner(name)
    pod = worker.pod["metadata"]["name"]
    if runner is None:
        raise web.HTTPNotFound(text=f'container "{name}" in pod "{pod}" is not available')
    run = runner.record.restarts
    in_backoff = isinstance(runner.record.state, Waiting) and runner.record.last is not None
    file = worker.sandbox.log_file(name, run - 1 if previous and not in_backoff else run)
    if not file.exists():
        if previous:
            raise web.HTTPBadRequest(text=f'previous terminated container "{name}" in pod "{pod}" not found')
        reason = runner.record.state.reason if isinstance(runner.record.state, Waiting) else "ContainerCreating"
        raise web.HTTPBadRequest(text=f'container "{name}" in pod "{pod}" is waiting to start: {reason}')
    return file, runner.ended
