"""Rank 0 waits while others work: what it says of the job goes by all of them."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import torch.distributed as dist

from posefleet_trainer.gang import heartbeat
from posefleet_trainer.gang.heartbeat import shared_heartbeat
from posefleet_trainer.telemetry.progress import ProgressTracker
from support.waiting import wait_for


class Store(dist.HashStore):
    """Counts how often it was asked, and how many heartbeats were sent."""

    asked = 0
    beats = 0

    def add(self, key: str, amount: int) -> int:
        count = super().add(key, amount)
        self.asked += 1
        self.beats += amount
        return count


class GoneStore:
    """Its host has gone."""

    asked = 0

    def add(self, key: str, amount: int) -> int:
        self.asked += 1
        raise dist.DistNetworkError("Connection reset by peer")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_INTERVAL_SECONDS", 0.01)


class Clock:
    """Moves on by a second whenever it is asked, so that every change of progress has a time of its own."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_the_first_rank_makes_progress_while_another_does():
    store, first, other = Store(), ProgressTracker(1, Clock()), ProgressTracker(1, Clock())
    before = first.report().last_step_time

    def first_rank_has_progressed() -> bool:
        # Again and again, because the other rank's thread may not have started yet.
        other.alive()
        return first.report().last_step_time != before

    with shared_heartbeat(store, 0, first), shared_heartbeat(store, 1, other):
        wait_for("the heartbeat", first_rank_has_progressed, 10)
    assert store.beats >= 1


def test_ranks_that_all_hang_give_no_sign():
    store, first, other = Store(), ProgressTracker(1), ProgressTracker(1)
    before = first.report()
    with shared_heartbeat(store, 0, first), shared_heartbeat(store, 1, other):
        wait_for("ten questions", lambda: store.asked >= 10, 10)
    assert first.report() == before


@pytest.mark.parametrize("rank", [0, 1])
def test_a_store_that_has_gone_is_asked_no_more(rank):
    store, progress = GoneStore(), ProgressTracker(1)
    with shared_heartbeat(store, rank, progress):
        wait_for("the question", lambda: progress.alive() or store.asked, 10)
        wait_for("the thread's end", lambda: not listening(), 10)
    assert store.asked == 1


def listening() -> bool:
    return any(thread.name == "heartbeat" for thread in threading.enumerate())
