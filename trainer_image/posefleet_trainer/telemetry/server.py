"""The HTTP server of a node's first rank, which serves ``/metrics`` and ``/progress``."""

import logging
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from posefleet_trainer.telemetry.metrics import exposition
from posefleet_trainer.telemetry.progress import ProgressTracker

_log = logging.getLogger(__name__)


def serve_telemetry(progress: ProgressTracker, host: str, port: int) -> ThreadingHTTPServer | None:
    """Serve metrics and ``progress`` from a daemon thread.

    Returns:
        The server, or None if it cannot listen there; training goes on without it.
    """
    try:
        server = _server_class(host)((host, port), _handler(progress))
    except OSError as error:
        _log.warning("no metrics: cannot listen on %s:%d: %s", host, port, error)
        return None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="telemetry", daemon=True).start()
    return server


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server


def _handler(progress: ProgressTracker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10.0

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(exposition(), CONTENT_TYPE_LATEST)
            elif self.path == "/progress":
                self._answer(progress.report().to_json().encode(), "application/json")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, body: bytes, content_type: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: the operator sends a request every few seconds."""

    return Handler
