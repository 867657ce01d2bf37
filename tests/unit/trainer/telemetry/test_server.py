import json
import urllib.request

from posefleet_trainer.telemetry.metrics import CACHE_HITS
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.telemetry.server import serve_telemetry


def test_progress_and_metrics_are_served():
    tracker = ProgressTracker(attempt=3)
    CACHE_HITS.inc()
    tracker.begin("train")
    server = serve_telemetry(tracker, "127.0.0.1", 0)
    assert server is not None
    base = f"http://127.0.0.1:{server.server_port}"
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
