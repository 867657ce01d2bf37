"""The HTTP server of a node's first rank: ``/metrics``, ``/progress``, and on rank 0 requests for a checkpoint."""

import json
import logging
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from posefleet_api.constants import MAX_REQUEST_LENGTH
from posefleet_trainer.telemetry.metrics import exposition
from posefleet_trainer.telemetry.progress import ProgressTracker

#: Each character takes at most twelve bytes in JSON (an escaped surrogate pair); the rest is for the object around it.
_LONGEST_BODY = 4096
_log = logging.getLogger(__name__)


def serve_telemetry(
    progress: ProgressTracker, host: str, port: int, *, takes_requests: bool = False
) -> ThreadingHTTPServer | None:
    """Serve metrics and ``progress`` from a daemon thread.

    Args:
        progress: of this process.
        host: address to listen on.
        port: port to listen on; 0 takes any that is free.
        takes_requests: whether ``POST /checkpoint`` with ``{"request": TEXT}`` asks for a checkpoint, as on rank 0.

    Returns:
        The server, or None if it cannot listen there; training goes on without it.
    """
    try:
        server = _server_class(host)((host, port), _handler(progress, takes_requests))
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


def _handler(progress: ProgressTracker, takes_requests: bool) -> type[BaseHTTPRequestHandler]:
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

        def do_POST(self) -> None:
            # The body may be left unread, so that the connection cannot be used again.
            self.close_connection = True
            if self.path == "/checkpoint" and takes_requests:
                self._take_request()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _take_request(self) -> None:
            request = _request_in(self.rfile.read(_length_of_body(self.headers.get("Content-Length", ""))))
            if request is None:
                self.send_error(HTTPStatus.BAD_REQUEST, explain=_EXPECTED)
                return
            progress.request_checkpoint(request)
            self.send_response(HTTPStatus.ACCEPTED)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _answer(self, body: bytes, content_type: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: the operator sends a request every few seconds."""

    return Handler


_EXPECTED = f'The body must be {{"request": TEXT}} with 1 to {MAX_REQUEST_LENGTH} characters of text.'


def _length_of_body(header: str) -> int:
    """Return the length of a body; 0 if the header does not give it or it is too large."""
    if not (header.isascii() and header.isdigit()) or len(header) > len(str(_LONGEST_BODY)):
        return 0
    return int(header) if int(header) <= _LONGEST_BODY else 0


def _request_in(body: bytes) -> str | None:
    """Return the text of a request for a checkpoint; None if ``body`` is anything else."""
    try:
        content = json.loads(body)
        request = content.get("request") if isinstance(content, dict) and len(content) == 1 else None
        # JSON can express half of a surrogate pair, which the progress report could not.
        length = len(request) if isinstance(request, str) and request.encode() else 0
    except (ValueError, RecursionError):
        return None
    return request if 1 <= length <= MAX_REQUEST_LENGTH else None
