import pytest

from posefleet_trainer.store.s3_http import LONGEST_DELAY_SECONDS, NoAnswer, Patience, TransientError


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps.append(seconds)

    def patience(self, seconds: float) -> Patience:
        return Patience(seconds, clock=lambda: self.now, sleep=self.sleep, uniform=lambda low, high: high)


def failing(times: int):
    left = [times]

    def attempt() -> str:
        if left[0]:
            left[0] -= 1
            raise TransientError("connection refused")
        return "answer"

    return attempt


def test_what_fails_for_a_while_succeeds_in_the_end():
    clock = Clock()
    assert clock.patience(20).retry(failing(4)) == "answer"
    assert clock.naps == [0.2, 0.4, 0.8, 1.6]


def test_delays_stop_growing():
    clock = Clock()
    clock.patience(100).retry(failing(9))
    assert max(clock.naps) == LONGEST_DELAY_SECONDS


def test_patience_ends_on_time_with_the_last_reason():
    clock = Clock()
    with pytest.raises(NoAnswer) as gave_up:
        clock.patience(20).retry(failing(1000))
    assert clock.now == pytest.approx(20)
    assert (gave_up.value.seconds, gave_up.value.reason) == (20, "connection refused")


def test_other_failures_are_not_repeated():
    clock = Clock()

    def attempt() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        clock.patience(20).retry(attempt)
    assert clock.naps == []
