import pytest

from posefleet_api.outcomes import MAX_TERMINATION_BYTES, TerminationMessage
from posefleet_api.status import MAX_LABELLED_VIDEOS, Artifacts
from posefleet_trainer.errors import InvalidInput, NonFiniteLoss, Stopped, StoreUnreachable
from posefleet_trainer.gang.ending import compose_message, describe_failure, write_termination_log
from posefleet_trainer.telemetry.progress import ProgressTracker


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidInput("row 3"), 78, "InvalidInput"),
        (StoreUnreachable("away"), 69, "StoreUnreachable"),
        (NonFiniteLoss("step 4"), 1, "NonFiniteLoss"),
        (Stopped(), 75, "Preempted"),
        (MemoryError(), 1, "OutOfMemory"),
        (ZeroDivisionError("division by zero"), 1, "Error"),
    ],
)
def test_every_error_has_an_exit_code_and_a_reason(error, code, reason):
    assert describe_failure(error)[:2] == (code, reason)


def test_an_unknown_error_keeps_its_last_line():
    assert describe_failure(ZeroDivisionError("division by zero"))[2] == "ZeroDivisionError: division by zero"


def test_a_message_too_long_is_cut_and_stays_json(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEFLEET_TERMINATION_LOG", str(tmp_path / "log"))
    tracker = ProgressTracker(attempt=1)
    for number in range(500):
        tracker.warn(f"labels row {number}: keypoint outside its frame, dropped")
    artifacts = Artifacts(report="s3://b/report/index.html", labelled_videos=["s3://b/v.mp4"] * MAX_LABELLED_VIDEOS)
    write_termination_log(compose_message("Completed", "é" * 9000, tracker.report(), artifacts))
    written = (tmp_path / "log").read_bytes()
    assert len(written) <= MAX_TERMINATION_BYTES
    message = TerminationMessage.model_validate_json(written)
    assert message.reason == "Completed"
    assert message.artifacts is not None
    assert message.artifacts.report == "s3://b/report/index.html"
