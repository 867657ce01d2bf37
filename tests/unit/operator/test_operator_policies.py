"""The smaller policies."""

from datetime import timedelta

import pytest

from posefleet_api.job import parse_job
from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Attempt, Checkpoint, Condition, Preparation, Progress, Status
from posefleet_operator.children import ChildJob
from posefleet_operator.policies.attempts import counts, seconds_before_next
from posefleet_operator.policies.cleanup import outdated, seconds_to_live
from posefleet_operator.policies.conditions import with_condition
from posefleet_operator.policies.deadline import seconds_left
from posefleet_operator.policies.gang import has_ended
from posefleet_operator.policies.preparation import fingerprint, seconds_before_next_try
from posefleet_operator.policies.progress import duration, newer, only_progress_differs, with_display
from posefleet_operator.policies.stall import stalls_at
from posefleet_operator.policies.turns import turns
from posefleet_operator.policies.usage import gpu_seconds, queue_seconds, useful_share
from posefleet_operator.policies.waiting import why_waiting
from unit.operator.builders import NOW, a_job, a_pod, ago, deleted_object, finished_job

POLICY = FailurePolicy(backoff_seconds=10)


def attempts(*outcomes: str, reason: str = "", steps: int = 9) -> list[Attempt]:
    return [
        Attempt(number=n, start_time="", outcome=outcome, reason=reason or outcome, start_step=0, end_step=steps)
        for n, outcome in enumerate(outcomes, 1)
    ]


def condition(status: str, time: str) -> Condition:
    return Condition(type="Prepared", status=status, reason="Any", last_transition_time=time)


def test_failures_and_stalls_count_and_nothing_else_does() -> None:
    outcomes = ("Failed", "Stalled", "Preempted", "Succeeded", "InvalidInput", "DeadlineExceeded", "")
    assert [counts(attempt) for attempt in attempts(*outcomes)] == [True, True, False, False, False, False, False]


def test_each_failure_in_a_row_doubles_the_wait() -> None:
    assert [seconds_before_next(attempts(*["Failed"] * n), POLICY) for n in range(4)] == [0, 10, 20, 40]
    assert seconds_before_next(attempts("Failed", "Preempted", "Failed"), POLICY) == 10


def test_a_preempted_attempt_that_got_somewhere_is_followed_at_once() -> None:
    assert seconds_before_next(attempts("Failed", "Preempted"), POLICY) == 0


def test_preemptions_that_get_nowhere_do_not_spin() -> None:
    assert seconds_before_next(attempts("Preempted", "Preempted", "Preempted", steps=0), POLICY) == 40


def test_a_deleted_pod_waits_although_nothing_counts() -> None:
    assert seconds_before_next(attempts("Preempted", reason="PodDeleted"), POLICY) == 10


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


def test_the_fingerprint_follows_data_and_training_but_not_resources() -> None:
    def of(**spec: object) -> str:
        return fingerprint(parse_job(a_job().with_spec(**spec).manifest()).spec)

    assert of() == of(resources={"nodes": 4}) == of(suspend=True)
    assert of() != of(dataset={"uri": "s3://other/"})


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    (kept,) = with_condition([condition("True", "then")], condition("True", "now"))
    (moved,) = with_condition([condition("True", "then")], condition("False", "now"))
    assert (kept.last_transition_time, moved.last_transition_time) == ("then", "now")


def test_the_deadline_counts_from_the_first_sight_of_the_job() -> None:
    assert seconds_left("2026-01-31T11:59:00Z", 100, NOW) == 40
    assert seconds_left("2026-01-31T11:50:00Z", 100, NOW) == -500
    assert seconds_left("2026-01-31T11:50:00Z", None, NOW) is None


def test_three_attempts_are_kept() -> None:
    assert [outdated(number) for number in (1, 3, 4, 7)] == [None, None, 1, 4]


def test_a_time_to_live_counts_from_the_end() -> None:
    assert seconds_to_live("2026-01-31T11:59:00Z", 100, NOW) == 40
    assert seconds_to_live("2026-01-31T11:00:00Z", 100, NOW) == 0
    assert seconds_to_live("2026-01-31T11:00:00Z", None, NOW) is None


def test_a_stall_counts_from_the_last_step_or_from_when_one_could_have_been_heard() -> None:
    assert stalls_at(ago(500), ago(400), ago(30), 60) == NOW + timedelta(seconds=30)
    assert stalls_at(ago(500), ago(10), None, 60) == NOW + timedelta(seconds=50)
    assert stalls_at(ago(20), None, None, 60) == NOW + timedelta(seconds=40)


def test_a_gang_has_ended_when_its_job_and_all_its_pods_have() -> None:
    job = a_job()
    running = ChildJob.read(job.attempt_manifest(1))
    failed = ChildJob.read(finished_job(job.attempt_manifest(1), "Failed"))
    deleting = ChildJob.read(deleted_object(finished_job(job.attempt_manifest(1), "Failed")))
    alive, dead = a_pod(job).running().seen, a_pod(job).ended(1).seen

    assert not has_ended(running, [dead], NOW)
    assert not has_ended(failed, [alive], NOW)
    assert not has_ended(None, [alive], NOW)
    assert not has_ended(deleting, [dead], NOW)
    assert has_ended(failed, [dead], NOW)
    assert has_ended(None, [], NOW)


def test_a_finished_job_whose_pods_were_not_seen_is_waited_for_a_while() -> None:
    job = ChildJob.read(finished_job(a_job().attempt_manifest(1), "Failed", seconds_ago=1))
    assert not has_ended(job, [], NOW)
    assert has_ended(job, [], NOW + timedelta(seconds=20))


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


def test_gpu_seconds_count_from_running_to_the_end() -> None:
    ran = Attempt(number=1, start_time="2026-01-31T11:00:00Z", running_time="2026-01-31T11:01:00Z",
                  end_time="2026-01-31T11:02:00Z", gpus=8)  # fmt: skip
    never_ran = ran.model_copy(update={"running_time": None})
    assert (gpu_seconds(ran), queue_seconds(ran)) == (480, 60)
    assert (gpu_seconds(never_ran), queue_seconds(never_ran)) == (0, 120)
    waits = never_ran.model_copy(update={"end_time": None})
    assert (gpu_seconds(waits), queue_seconds(waits)) == (0, 0)


def test_steps_after_the_last_checkpoint_were_of_no_use() -> None:
    attempt = Attempt(number=1, start_time="", outcome="Failed", start_step=100, end_step=200)
    checkpoint = Checkpoint(uri="", step=150, time="", sha256="")
    assert useful_share(attempt, checkpoint) == 0.5
    assert useful_share(attempt, None) == 0
    assert useful_share(attempt.model_copy(update={"outcome": "Succeeded"}), None) == 1


def test_pods_that_take_long_are_named() -> None:
    late = NOW + timedelta(seconds=300)
    job = ChildJob.read(a_job().attempt_manifest(1))
    assert why_waiting(job, [a_pod().seen], 1, None, NOW).reason == "PodsStarting"
    assert "kubectl describe pod reaching-a1-0-x" in why_waiting(job, [a_pod().seen], 1, None, late).message
    assert "kubectl describe job reaching-a1" in why_waiting(job, [], 1, None, late).message


def test_a_job_whose_data_are_wrong_tells_it_once() -> None:
    wrong = Condition(
        type="Prepared", status="False", reason="InvalidInput", message="no labels", last_transition_time=""
    )
    failed = wrong.model_copy(update={"type": "Failed", "status": "True"})
    new = Status(phase="Failed", completion_time="2026-01-01T00:00:00Z", conditions=[wrong, failed])

    assert [turn.reason for turn in turns(Status(), new)] == ["InvalidInput"]
