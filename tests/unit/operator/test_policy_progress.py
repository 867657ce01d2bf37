"""Progress reports merged into a status."""

import pytest

from posefleet_api.status import Checkpoint, Progress, Status
from posefleet_operator.policies.progress import duration, newer, only_progress_differs, with_display


@pytest.mark.parametrize(("seconds", "text"), [(9, "9s"), (190, "3m10s"), (7500, "2h5m"), (270_000, "3d3h")])
def test_durations_read_well(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_the_trainers_own_words_are_kept() -> None:
    assert with_display(Progress(display="video 3 of 7", eta="soon", eta_seconds=5)).display == "video 3 of 7"
    assert with_display(Progress(stage="train", percent=42, eta_seconds=5)).eta == "5s"


def test_an_older_checkpoint_does_not_replace_a_newer_one() -> None:
    time = "2026-01-31T11:00:00Z"
    old, new = (Checkpoint(uri="", step=step, time=time, sha256="") for step in (10, 20))
    assert newer(old, new) == newer(new, old) == new
    assert newer(None, old) == newer(old, None) == old


def test_what_the_api_server_would_refuse_never_gets_into_a_status() -> None:
    for time in ("yesterday", "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"):
        assert newer(None, Checkpoint(uri="", step=1, time=time, sha256="")) is None
    assert with_display(Progress(loss=float("nan"), frames_per_second=float("inf"))).loss is None


def test_numbers_can_wait_but_turns_cannot() -> None:
    status = Status(progress=Progress(stage="train", step=1))
    assert only_progress_differs(status, status.model_copy(update={"progress": Progress(stage="train", step=2)}))
    assert not only_progress_differs(status, status.model_copy(update={"progress": Progress(stage="predict", step=1)}))
    assert not only_progress_differs(status, status.model_copy(update={"phase": "Running"}))
