"""The budget, the pauses and the costs of attempts."""

import pytest

from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Attempt, Checkpoint, Preparation
from posefleet_operator.policies.attempts import (
    MIN_PAUSE_SECONDS,
    counts_against_budget,
    exponential_backoff,
    gpu_seconds,
    queue_seconds,
    seconds_before_next,
    seconds_before_next_try,
    useful_share,
)

POLICY = FailurePolicy(backoff_seconds=10)


def at(step: int) -> Checkpoint:
    return Checkpoint(uri="", step=step, time="2026-01-31T12:00:00Z", sha256="")


CHECKPOINT = at(9)


def attempts(*outcomes: str, reason: str = "", steps: int = 9) -> list[Attempt]:
    return [
        Attempt(
            number=n,
            start_time="2026-01-31T12:00:00Z",
            outcome=outcome,
            reason=reason or outcome,
            start_step=0,
            end_step=steps,
        )
        for n, outcome in enumerate(outcomes, 1)
    ]


def test_failures_and_stalls_count_and_nothing_else_does() -> None:
    outcomes = ("Failed", "Stalled", "Preempted", "Succeeded", "InvalidInput", "DeadlineExceeded", None)
    assert [counts_against_budget(attempt) for attempt in attempts(*outcomes)] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]


def test_each_failure_in_a_row_doubles_the_wait() -> None:
    assert [seconds_before_next(attempts(*["Failed"] * n), POLICY) for n in range(4)] == [0, 10, 20, 40]
    assert seconds_before_next(attempts("Failed", "Preempted", "Failed"), POLICY) == 10


def test_a_preempted_attempt_that_left_a_checkpoint_is_followed_soon() -> None:
    assert seconds_before_next(attempts("Failed", "Preempted"), POLICY, CHECKPOINT) == MIN_PAUSE_SECONDS


def test_steps_that_no_checkpoint_holds_are_not_progress() -> None:
    assert seconds_before_next(attempts("Preempted", "Preempted", steps=9), POLICY) == 20
    assert seconds_before_next(attempts("Preempted", steps=9), POLICY, at(0)) == 10
    assert seconds_before_next(attempts("Preempted", steps=9), POLICY, at(1)) == MIN_PAUSE_SECONDS


def test_an_attempt_that_advanced_ends_the_row_of_those_that_did_not() -> None:
    first, second, third = attempts("Preempted", "Preempted", "Preempted")
    second = second.model_copy(update={"start_step": 4})
    third = third.model_copy(update={"start_step": 4})
    assert seconds_before_next([first, second, third], POLICY, at(4)) == 20
    assert seconds_before_next([first, second], POLICY, at(4)) == 10
    assert seconds_before_next([first], POLICY, at(4)) == MIN_PAUSE_SECONDS


def test_an_attempt_that_never_ran_does_not_take_credit_for_an_older_checkpoint() -> None:
    never_ran = attempts("Preempted", "Preempted")[1].model_copy(update={"start_step": None, "end_step": None})
    assert seconds_before_next([attempts("Preempted")[0], never_ran], POLICY, at(9)) == 10


def test_the_shortest_pauses_that_the_policy_allows_have_a_floor() -> None:
    hasty = FailurePolicy(backoff_seconds=1)
    assert [seconds_before_next(attempts(*["Failed"] * n), hasty) for n in range(5)] == [0, 2, 2, 4, 8]
    assert seconds_before_next(attempts("Preempted", reason="PodDeleted"), hasty, CHECKPOINT) == MIN_PAUSE_SECONDS


def test_preemptions_that_get_nowhere_do_not_spin() -> None:
    assert seconds_before_next(attempts("Preempted", "Preempted", "Preempted", steps=0), POLICY) == 40


def test_preemptions_that_get_nowhere_wait_up_to_an_hour() -> None:
    waits = [seconds_before_next(attempts(*["Preempted"] * n, steps=0), POLICY) for n in (4, 9, 30)]
    assert waits == [80, 2560, 3600]


def test_only_preemptions_make_a_row_of_attempts_that_got_nowhere() -> None:
    assert seconds_before_next(attempts("Preempted", "Succeeded", "Preempted", steps=0), POLICY) == 10


def test_a_checkpoint_that_is_gone_does_not_lengthen_the_row() -> None:
    first, second = attempts("Preempted", "Preempted")
    started = [first.model_copy(update={"start_step": 5}), second.model_copy(update={"start_step": 6})]
    assert seconds_before_next(started, POLICY, at(4)) == 10


def test_a_preemption_that_a_rule_counts_waits_as_a_failure_does() -> None:
    counted = [attempt.model_copy(update={"action": "Retry"}) for attempt in attempts("Preempted", "Preempted")]
    assert seconds_before_next(counted, POLICY, CHECKPOINT) == 20


def test_a_deleted_pod_waits_although_nothing_counts() -> None:
    assert seconds_before_next(attempts("Preempted", reason="PodDeleted"), POLICY, CHECKPOINT) == 10


def test_a_suspended_attempt_is_followed_at_once() -> None:
    assert seconds_before_next(attempts("Preempted", reason="Suspended", steps=0), POLICY) == 0


def test_a_gang_that_waited_for_a_node_in_vain_waits_no_longer_than_a_minute_more() -> None:
    incomplete = attempts(*["Preempted"] * 9, reason="GangIncomplete", steps=0)
    assert [seconds_before_next(incomplete[:n], POLICY) for n in (1, 2, 3, 4, 9)] == [10, 20, 40, 60, 60]


def test_no_wait_is_shorter_than_the_policy_says() -> None:
    patient = FailurePolicy(backoff_seconds=86_400)
    assert seconds_before_next(attempts("Failed"), patient) == 86_400
    assert seconds_before_next(attempts("Failed", "Failed"), patient) == 86_400
    assert seconds_before_next(attempts("Preempted", reason="GangIncomplete", steps=0), patient) == 86_400


def test_no_wait_is_longer_than_an_hour() -> None:
    assert seconds_before_next(attempts(*["Failed"] * 90), POLICY) == 3600


def test_an_unreachable_store_is_asked_more_and_more_slowly_up_to_once_a_minute() -> None:
    waits = [seconds_before_next_try(Preparation(unreachable=n), POLICY) for n in range(8)]
    assert waits == [0, 2, 4, 8, 16, 32, 60, 60]


def test_gpu_seconds_count_from_running_to_the_end() -> None:
    ran = Attempt(number=1, start_time="2026-01-31T11:00:00Z", running_time="2026-01-31T11:01:00Z",
                  end_time="2026-01-31T11:02:00Z", gpus=8)  # fmt: skip
    never_ran = ran.model_copy(update={"running_time": None})
    assert (gpu_seconds(ran), queue_seconds(ran)) == (480, 60)
    assert (gpu_seconds(never_ran), queue_seconds(never_ran)) == (0, 120)
    waits = never_ran.model_copy(update={"end_time": None})
    assert (gpu_seconds(waits), queue_seconds(waits)) == (0, 0)
    runs = ran.model_copy(update={"end_time": None})
    assert (gpu_seconds(runs), queue_seconds(runs)) == (0, 60)


def test_steps_after_the_last_checkpoint_were_of_no_use() -> None:
    attempt = Attempt(number=1, start_time="2026-01-31T12:00:00Z", outcome="Failed", start_step=100, end_step=200)
    checkpoint = Checkpoint(uri="", step=150, time="2026-01-31T12:00:00Z", sha256="")
    assert useful_share(attempt, checkpoint) == 0.5
    assert useful_share(attempt, None) == 0
    assert useful_share(attempt.model_copy(update={"outcome": "Succeeded"}), None) == 1


@pytest.mark.parametrize("reason", ["PodDeleted", "JobDeleted", "StoreUnreachable"])
def test_what_is_likely_to_recur_is_followed_after_a_pause_although_nothing_counts(reason: str) -> None:
    assert seconds_before_next(attempts("Preempted", reason=reason), POLICY, CHECKPOINT) == 10


@pytest.mark.parametrize("reason", ["Preempted", "PodLost", "QueuePreempted", "EvictionByEvictionAPI", "NodeLost"])
def test_other_preemptions_that_left_a_checkpoint_are_followed_soon(reason: str) -> None:
    assert seconds_before_next(attempts("Preempted", reason=reason), POLICY, CHECKPOINT) == MIN_PAUSE_SECONDS


@pytest.mark.parametrize("reason", ["Suspended", "Replaced"])
def test_what_the_author_asked_for_neither_waits_nor_lengthens_a_pause(reason: str) -> None:
    assert seconds_before_next(attempts("Preempted", reason=reason, steps=0), POLICY) == 0
    mixed = [*attempts("Preempted", reason=reason, steps=0), *attempts("Preempted", steps=0)]
    assert seconds_before_next(mixed, POLICY) == 10


def test_a_row_of_failures_ends_with_any_other_outcome() -> None:
    assert seconds_before_next(attempts("Failed", "Stalled", "Failed"), POLICY) == 40
    assert seconds_before_next(attempts("Failed", "Succeeded", "Failed", "Failed"), POLICY) == 20


def test_an_attempt_without_steps_made_no_progress() -> None:
    def preempted(start: int | None, checkpoint: int) -> float:
        (attempt,) = attempts("Preempted")
        return seconds_before_next([attempt.model_copy(update={"start_step": start})], POLICY, at(checkpoint))

    assert [preempted(None, 0), preempted(None, 6), preempted(5, 5), preempted(5, 4)] == [10] * 4
    assert preempted(5, 6) == MIN_PAUSE_SECONDS


def test_backoff_doubles_up_to_its_limit() -> None:
    assert [exponential_backoff(3, times, 20) for times in (1, 2, 3, 4, 5)] == [3, 6, 12, 20, 20]
    assert exponential_backoff(30, 1, 20) == exponential_backoff(30, 9, 20) == 30
    assert exponential_backoff(0, 9) == 0
    assert exponential_backoff(1e-9, 40) == 1e-9 * 2**32


def test_failed_tries_wait_as_failed_attempts_do_and_outages_come_first() -> None:
    assert [seconds_before_next_try(Preparation(failures=n), POLICY) for n in range(4)] == [0, 10, 20, 40]
    assert seconds_before_next_try(Preparation(failures=3, unreachable=1), POLICY) == 2


@pytest.mark.parametrize(
    ("start", "end", "checkpoint", "share"),
    [(100, 200, 150, 0.5), (100, 200, 90, 0.0), (100, 200, 250, 1.0), (None, 200, 50, 0.25), (100, 100, 100, 0.0),
     (100, 101, 101, 1.0), (100, None, 150, 0.0), (100, 200, 100, 0.0), (None, None, 50, 0.0)],
)  # fmt: skip
def test_useful_are_the_steps_up_to_the_checkpoint(
    start: int | None, end: int | None, checkpoint: int, share: float
) -> None:
    attempt = Attempt(number=1, start_time="2026-01-31T12:00:00Z", outcome="Failed", start_step=start, end_step=end)
    assert useful_share(attempt, Checkpoint(uri="", step=checkpoint, time="2026-01-31T12:00:00Z", sha256="")) == share
