"""Rank 0 waits while others work: what it says of the job goes by all of them."""

import threading

import pytest
import torch.distributed as dist

from posefleet_trainer.gang import heartbeat
from posefleet_trainer.gang.heartbeat import shared_heartbeat
from posefleet_trainer.telemetry.progress import ProgressTracker
from support.waiting import wait_for


class Store(dist.HashStore):
    """Counts how often it was asked."""

    asked = 0

    def add(self, key: str, amount: int) -> int:
        count = super().add(key, amount)
        self.asked += 1
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


def test_the_first_rank_gets_on_while_another_does():
    store, first, other = Store(), ProgressTracker(1), ProgressTracker(1)
    before = first.report().last_step_time
    with shared_heartbeat(store, 0, first), shared_heartbeat(store, 1, other):
        wait_for("the sign of life", lambda: other.alive() or first.report().last_step_time != before, 10)


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
