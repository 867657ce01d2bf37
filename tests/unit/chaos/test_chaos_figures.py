"""What a fault cost, and the table of it."""

import threading

from chaos.advance import Advance, Position
from chaos.faults import Fault, Run, nothing
from chaos.journal import Journal
from chaos.network import Request
from chaos.table import markdown, text
from chaos.training_world import _outcomes, _steps_lost

KILLED = Fault("killed", "it is killed", "it goes on", "training", nothing, ends=frozenset({"Failed"}), failures=(1, 1))


class Trainer:
    """Answers with positions that the test sets."""

    def __init__(self) -> None:
        self.now: Position | None = Position(1, "train", 10, 100)
        self.asked = threading.Semaphore(0)

    def look(self) -> Position | None:
        self.asked.release()
        return self.now

    def show(self, now: Position | None) -> None:
        """Let the watcher see a position for certain."""
        self.now = now
        for _number in range(3):
            self.asked.acquire()
        while self.asked.acquire(blocking=False):
            pass


def test_a_training_is_past_a_fault_when_it_makes_a_step_that_it_had_not_made():
    trainer = Trainer()
    with Advance(trainer.look, Position(1, "train", 10, 100)) as advance:
        trainer.show(Position(1, "train", 14, 100))
        trainer.show(None)
        trainer.show(Position(2, "train", 12, 100))
        waiting = threading.Thread(target=advance.wait_until_past, args=(True, str))
        waiting.start()
        trainer.show(Position(2, "train", 14, 100))
        assert waiting.is_alive()
        trainer.show(Position(2, "train", 15, 100))
        waiting.join(10)
        assert not waiting.is_alive()
    assert advance.furthest_of == {1: 14, 2: 15}
    assert advance.longest_pause > 0.3


def test_steps_of_the_former_attempt_do_not_make_up_for_those_of_the_next():
    trainer = Trainer()
    with Advance(trainer.look, Position(1, "train", 10, 100)) as advance:
        waiting = threading.Thread(target=advance.wait_until_past, args=(True, str))
        waiting.start()
        trainer.show(Position(1, "train", 14, 100))
        trainer.show(Position(2, "prepare", 0, 0))
        waiting.join(0.5)
        assert waiting.is_alive()
        trainer.show(Position(2, "train", 15, 100, start=12))
        waiting.join(10)
        assert not waiting.is_alive()
    assert advance.start_of == {1: 0, 2: 12}


def test_steps_are_lost_from_the_last_that_was_seen_to_the_start_of_the_next_attempt():
    trainer = Trainer()
    advance = Advance(trainer.look, Position(2, "train", 40, 100))
    attempts = [
        {"number": 1, "endStep": 35, "startStep": 0},
        {"number": 2, "endStep": 38, "startStep": 30},
        {"number": 3, "endStep": 50, "startStep": 36},
        {"number": 4, "startStep": 50},
    ]
    assert _steps_lost(attempts, advance) == 4
    advance.furthest_of[3] = 57
    assert _steps_lost(attempts, advance) == 4 + 7
    advance.start_of[4] = 52
    assert _steps_lost(attempts, advance) == 4 + 5


def test_an_attempt_that_ends_otherwise_than_the_fault_says_is_wrong():
    before, after = {"failedAttempts": 1}, {"failedAttempts": 2}
    assert _outcomes(KILLED, [{"number": 2, "outcome": "Failed"}], before, after) == []
    assert "ended as Preempted" in _outcomes(KILLED, [{"number": 2, "outcome": "Preempted"}], before, after)[0]
    assert _outcomes(KILLED, [], before, before) == [
        "no attempt ended",
        "0 attempts count against the budget, and 1 to 1 may",
    ]


def test_the_table_has_the_median_the_worst_and_the_wrong_outcomes():
    runs = [Run("killed", 0, 3, 10.2), Run("killed", 1, 9, 30.4), Run("killed", 2, 4, 12.0, problems=["two gangs"])]
    row = "| killed | it is killed | it goes on | 3 | 4 (worst 9) | 12 s (worst 30 s) | 1 |"
    assert row in markdown([KILLED], runs, "3 runs.").splitlines()
    assert text([KILLED], runs).splitlines()[1].split("  ")[0] == "killed"


def test_a_run_that_could_not_be_made_is_not_counted():
    assert "killed" not in markdown([KILLED], [Run("killed", left_out="only root may")], "")


def test_writes_are_told_from_reads_dry_runs_and_the_lease():
    jobs = "/apis/batch/v1/namespaces/lab/jobs"
    assert Request("POST", jobs).writes
    assert Request("DELETE", f"{jobs}/a").writes
    assert not Request("GET", jobs).writes
    assert not Request("PATCH", f"{jobs}/a", "dryRun=All").writes
    assert not Request("PUT", "/apis/coordination.k8s.io/v1/namespaces/lab/leases/posefleet-operator").writes
    assert Request("GET", jobs, "watch=true&resourceVersion=7").watches


def test_a_series_goes_on_after_the_runs_that_were_made(tmp_path):
    path = tmp_path / "build" / "runs.jsonl"
    journal = Journal(path, "7", continued=False)
    journal.add(Run("killed", 0, 3, 10.0, problems=["two gangs"]))
    journal.weights = "abc"
    again = Journal(path, "7", continued=True)
    assert Journal(path, "7", continued=True).weights == again.weights == "abc"
    assert again.runs == journal.runs
    assert again.has("killed", 0)
    assert not again.has("killed", 1)
    assert not Journal(path, "8", continued=True).runs
    assert not Journal(path, "7", continued=False).runs
