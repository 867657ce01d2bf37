"""A server on the loopback address that answers S3 requests as a test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

XML = "application/xml"


@dataclass
class Answer:
    """One response; ``promised`` is the Content-Length if it is to be a lie."""

    status: int = 200
    body: bytes = b""
    content_type: str = XML
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None


@dataclass
class Stub:
    endpoint: str
    requests: list[tuple[str, str, dict[str, str]]]


def s3_error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>m</Message><Resource>/r</Resource></Error>"
    return Answer(status, body.encode())


@contextmanager
def s3_stub(respond: Callable[[int, str, str, dict[str, str]], Answer]) -> Iterator[Stub]:
    """``respond(number of the request, method, path, headers)`` says what each request gets."""
    requests: list[tuple[str, str, dict[str, str]]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                requests.append((self.command, self.path, headers))
                number = len(requests) - 1
            answer = respond(number, self.command, self.path, headers)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            length = len(answer.body) if answer.promised is None else answer.promised
            self.send_header("Content-Length", str(length))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            if length != len(answer.body):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "PUT", "HEAD", "DELETE", "POST"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Stub(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
