from datetime import UTC, datetime, timedelta

import pytest

from posefleet_trainer.telemetry.progress import ProgressTracker, readable_duration


class Clock:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_the_eta_counts_only_what_this_attempt_has_done():
    clock = Clock()
    tracker = ProgressTracker(attempt=2, clock=clock)
    tracker.begin("train", 50.0)
    clock.now += timedelta(seconds=10)
    tracker.update(60.0)
    assert tracker.report().progress.eta_seconds == 40
    assert tracker.report().progress.display == "train 60%"


def test_a_new_stage_has_no_eta_yet():
    tracker = ProgressTracker(attempt=1)
    tracker.begin("predict")
    assert tracker.report().progress.eta_seconds is None
    assert tracker.report().progress.eta == ""


def test_a_sign_of_life_moves_the_time_of_the_last_step_alone():
    clock = Clock()
    tracker = ProgressTracker(attempt=1, clock=clock)
    before = tracker.report()
    tracker.alive()
    assert tracker.report() == before.model_copy(update={"last_step_time": "2026-01-01T00:00:00.000+00:00"})


def test_a_warning_is_told_once():
    tracker = ProgressTracker(attempt=1)
    tracker.warn("a")
    tracker.warn("a")
    assert tracker.report().warnings == ["a"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (190, "3m10s"), (3725, "1h2m")])
def test_durations_read_like_kubectl(seconds, text):
    assert readable_duration(seconds) == text
