import threading

import pytest

from posefleet_trainer.loading.pipeline import LookAhead


def test_results_come_in_order_from_where_it_begins():
    ahead = LookAhead(lambda number: number * 10, first=5, threads=3, depth=4)
    assert [ahead() for _ in range(6)] == [50, 60, 70, 80, 90, 100]
    ahead.close()


def test_work_runs_ahead_of_the_calls():
    begun = threading.Semaphore(0)
    ahead = LookAhead(lambda number: begun.release(), first=0, threads=1, depth=3)
    ahead()
    for _ in range(4):
        assert begun.acquire(timeout=10)
    ahead.close()


def test_what_goes_wrong_is_raised_in_its_turn():
    def produce(number: int) -> int:
        if number == 1:
            raise ValueError("frame 1 is damaged")
        return number

    ahead = LookAhead(produce, first=0, threads=2, depth=2)
    assert ahead() == 0
    with pytest.raises(ValueError, match="frame 1"):
        ahead()
    ahead.close()
