"""The checker of histories accepts good ones and rejects each kind of bad one."""

import pytest

from chaos.checker import Expected, problems
from chaos.history import History
from unit.chaos.histories import JOB, Recorded

CRASHED_ONCE = Expected(script={1: "Failed", 2: "Succeeded"}, failures=(1, 1))
PREEMPTED = Expected(script={2: "Succeeded"}, disturbed=frozenset({"Preempted"}), failures=(0, 0))


def crashed_once() -> Recorded:
    """An attempt fails, and the next one succeeds."""
    return Recorded().begins(1).ends(1, "Failed").begins(2).ends(2, "Succeeded", "Succeeded").status("Succeeded")


def complaints(recorded: Recorded, expected: Expected = CRASHED_ONCE, weights: str = "") -> str:
    return "; ".join(problems(recorded.history(), JOB, expected, weights))


def test_a_job_that_fails_once_and_succeeds_is_right():
    assert complaints(crashed_once()) == ""


def test_a_preempted_attempt_is_right_where_one_is_disturbed():
    recorded = Recorded().begins(1).gone(1, 0).pod(1, 1, "Failed").outcome(1, "Preempted").status()
    recorded.begins(2).ends(2, "Succeeded", "Succeeded").status("Succeeded")
    assert complaints(recorded, PREEMPTED) == ""
    assert "attempt 1 is Preempted" in complaints(recorded, CRASHED_ONCE)


def test_two_gangs_at_a_time_are_rejected():
    recorded = Recorded().begins(1).pod(1, 0, "Failed").outcome(1, "Failed").status()
    recorded.begins(2).pod(1, 1, "Failed").ends(2, "Succeeded", "Succeeded").status("Succeeded")
    assert "gangs of attempts 1 and 2 ran at the same time" in complaints(recorded)


def test_a_gang_of_the_same_number_is_another_one_if_its_job_is():
    recorded = Recorded().begins(1)
    changes = recorded.pod(1, 2, "Running").history().changes
    changes[-1].manifest["metadata"]["ownerReferences"] = [{"uid": "another"}]
    assert "ran at the same time" in complaints(recorded)


def test_changes_are_ordered_by_the_api_server_and_not_by_their_arrival():
    history = crashed_once().history()
    assert problems(History(history.changes[::-1]), JOB, CRASHED_ONCE) == []


def test_a_pod_whose_containers_have_ended_runs_no_more():
    recorded = Recorded().begins(1)
    for rank in (0, 1):
        changes = recorded.pod(1, rank, "Running").history().changes
        changes[-1].manifest["status"]["containerStatuses"] = [{"state": {"terminated": {"exitCode": 1}}}]
    recorded.outcome(1, "Failed").status().begins(2).ends(2, "Succeeded", "Succeeded").status("Succeeded")
    assert complaints(recorded) == ""


def test_pods_of_a_dead_node_do_not_run_although_they_are_said_to():
    recorded = Recorded().begins(1).node_dies().outcome(1, "Preempted").status().pod(1, 0, "Running")
    recorded.pod(2, 0, "Running", "node-b").pod(2, 0, "Succeeded", "node-b")
    recorded.forget(9).status()
    assert "at the same time" not in complaints(recorded, PREEMPTED)
    assert "still runs" not in complaints(recorded, PREEMPTED)


def test_a_node_that_comes_back_runs_pods_again():
    recorded = Recorded().begins(1).node_dies().outcome(1, "Preempted").status()
    recorded.begins(2).pod(3, 0, "Running")
    assert "gangs of attempts 2 and 3" in complaints(recorded, PREEMPTED)


@pytest.mark.parametrize(
    ("counted", "complaint"), [(0, "failedAttempts is 0, and 1"), (2, "failedAttempts is 2, and 1")]
)
def test_a_budget_that_is_not_exact_is_rejected(counted: int, complaint: str):
    recorded = Recorded().begins(1).ends(1, "Failed").status(failed=counted)
    assert complaint in complaints(recorded)


def test_an_outcome_that_is_taken_back_is_rejected():
    recorded = Recorded().begins(1).ends(1, "Failed").outcome(1, "Preempted").status()
    assert "attempt 1 was Failed and became Preempted" in complaints(recorded)


def test_an_attempt_that_is_forgotten_is_rejected():
    recorded = Recorded().begins(1).ends(1, "Failed").forget(1).status()
    assert "attempt 1 was forgotten" in complaints(recorded)


def test_numbers_that_leave_one_out_are_rejected():
    recorded = Recorded().begins(1).ends(1, "Failed").begins(3)
    assert "numbers [1, 3]" in complaints(recorded)


def test_an_attempt_that_begins_before_the_last_one_has_an_outcome_is_rejected():
    recorded = Recorded().begins(1).pod(1, 0, "Failed").pod(1, 1, "Failed").begins(2)
    assert "attempts [1, 2] have no outcome" in complaints(recorded)


def test_a_job_that_does_not_end_is_rejected():
    assert "ends as Running and not as Succeeded" in complaints(Recorded().begins(1))
    assert "ends as nothing" in complaints(Recorded())


def test_a_job_that_ends_otherwise_is_rejected():
    recorded = Recorded().begins(1).ends(1, "Failed").status("Failed")
    assert "ends as Failed and not as Succeeded (AttemptsExhausted)" in complaints(recorded)
    other = Expected("Failed", "InvalidInput", script={1: "Failed"}, failures=(1, 1))
    assert "failed for AttemptsExhausted and not for InvalidInput" in complaints(recorded, other)


def test_a_job_that_ends_twice_is_rejected():
    recorded = crashed_once().status("Running").status("Succeeded")
    assert "it was Succeeded and became Running" in complaints(recorded)


def test_an_end_that_moves_is_rejected():
    recorded = crashed_once().status("Succeeded", completionTime="2026-01-31T13:00:00Z")
    assert "it was Succeeded and became Succeeded" in complaints(recorded)


def test_more_failures_than_the_fault_makes_are_rejected():
    none = Expected(script={1: "Failed", 2: "Succeeded"}, failures=(0, 0))
    assert "1 attempts count against the budget, and 0 to 0 failed" in complaints(crashed_once(), none)


def test_pods_that_outlive_their_job_are_rejected():
    recorded = crashed_once().pod(2, 1, "Running")
    assert "pod reaching-a2-1 still runs" in complaints(recorded)


def test_other_weights_are_rejected():
    same = Expected(script=CRASHED_ONCE.script, failures=(1, 1), weights="a" * 64)
    assert complaints(crashed_once(), same, "a" * 64) == ""
    assert "its weights are bbbb" in complaints(crashed_once(), same, "b" * 64)
    assert "its weights are missing" in complaints(crashed_once(), same)


def test_other_jobs_are_not_looked_at():
    recorded = crashed_once()
    history = recorded.history()
    changes = Recorded().begins(1).history().changes
    for change in changes:
        change.manifest["metadata"]["name"] = "other"
        change.manifest["metadata"]["labels"] = {}
    history.changes.extend(changes)
    assert complaints(recorded) == ""
