import http.client
import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from posefleet_trainer.telemetry.metrics import CACHE_HITS
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.telemetry.server import serve_telemetry


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6"))],
)
def test_progress_and_metrics_are_served(host: str):
    tracker = ProgressTracker(attempt=3)
    CACHE_HITS.inc()
    tracker.begin("train")
    server = serve_telemetry(tracker, host, 0)
    assert server is not None
    base = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}"
    try:
        with urllib.request.urlopen(f"{base}/progress") as answer:
            assert json.load(answer)["progress"]["stage"] == "train"
        with urllib.request.urlopen(f"{base}/metrics") as answer:
            assert b"posefleet_trainer_cache_hits_total" in answer.read()
    finally:
        server.shutdown()
        server.server_close()


def test_a_taken_port_does_not_stop_training():
    first = serve_telemetry(ProgressTracker(attempt=1), "127.0.0.1", 0)
    assert first is not None
    try:
        assert serve_telemetry(ProgressTracker(attempt=1), "127.0.0.1", first.server_port) is None
    finally:
        first.shutdown()
        first.server_close()


def post(port: int, body: bytes, path: str = "/checkpoint", length: str | None = None) -> int:
    """Return the status of the answer to a POST request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(len(body)) if length is None else length)
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def serving(tracker: ProgressTracker, *, takes_requests: bool = True) -> Iterator[int]:
    server = serve_telemetry(tracker, "127.0.0.1", 0, takes_requests=takes_requests)
    assert server is not None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_a_request_for_a_checkpoint_is_accepted():
    tracker = ProgressTracker(attempt=1)
    with serving(tracker) as port:
        assert post(port, b'{"request": "before the drain"}') == 202
        assert tracker.checkpoint_request == "before the drain"
        longest = "\U0001f42d" * 253
        assert post(port, json.dumps({"request": longest}).encode()) == 202
        assert tracker.checkpoint_request == longest


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'"now"', b'{"request": ""}', b'{"request": 3}', b'{"request": "a", "step": 3}', b"\xff",
     b'{"request": "%s"}' % (b"a" * 254), b"[" * 4000, b'{"request": "\\ud83d"}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(body: bytes):
    tracker = ProgressTracker(attempt=1)
    with serving(tracker) as port:
        assert post(port, body) == 400
        assert tracker.checkpoint_request == ""


@pytest.mark.parametrize("length", ["-1", "4097", "9" * 5000, "many", ""])
def test_a_body_of_an_impossible_length_is_refused_without_reading_it(length: str):
    with serving(ProgressTracker(attempt=1)) as port:
        assert post(port, b"", length=length) == 400


def test_other_paths_and_ranks_take_no_requests():
    tracker = ProgressTracker(attempt=1)
    with serving(tracker) as port:
        assert post(port, b'{"request": "a"}', "/progress") == 404
    with serving(tracker, takes_requests=False) as port:
        assert post(port, b'{"request": "a"}') == 404
    assert tracker.checkpoint_request == ""
