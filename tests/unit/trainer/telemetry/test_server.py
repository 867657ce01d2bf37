import json
import socket
import urllib.request

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
