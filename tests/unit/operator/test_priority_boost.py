"""Which job Kueue is to preempt first: the one that loses least."""

from dataclasses import replace
from typing import Any

import pytest

from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.plan import PriorityBoost
from posefleet_operator.policies.priority_boost import boost_of, seconds_until_change
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import SETTINGS, JobBuilder, a_job, ago, suspended_job
from unit.operator.plans import reconciled

STEP = 600.0


def queued_job(**settings: Any) -> JobBuilder:
    given = {"priority_boost_seconds": STEP, **settings}
    return replace(a_job().with_spec(queue="lab-queue"), settings=replace(SETTINGS, **given))


def running(seconds: float, saved: float | None = None, **settings: Any) -> JobBuilder:
    """A job that runs for so many seconds, and wrote a checkpoint so many seconds ago."""
    job = queued_job(**settings).running_attempt(1, started=seconds)
    if saved is None:
        return job
    job = job.with_checkpoint(5)
    assert job.status.last_checkpoint is not None
    written = job.status.last_checkpoint.model_copy(update={"time": to_timestamp(ago(saved))})
    return job.with_status(last_checkpoint=written)


@pytest.mark.parametrize(
    ("lost", "boost", "left"),
    [
        (0, 0, 600), (599, 0, 1), (600, 1, 600), (1199, 1, 1), (1200, 2, 1200), (2400, 3, 2400), (4799, 3, 1),
        (4800, 4, None), (1e9, 4, None),
    ],
)  # fmt: skip
def test_the_boost_grows_whenever_the_loss_doubles(lost: float, boost: int, left: float | None) -> None:
    assert boost_of(lost, STEP) == boost
    assert seconds_until_change(lost, STEP) == left


@pytest.mark.parametrize(
    ("seconds", "saved", "boost"),
    [(700, None, 1), (5000, None, 4), (5000, 100, 0), (5000, 1300, 2), (700, 9000, 1)],
    ids=["young", "old", "has just saved", "saved some time ago", "saved by the attempt before"],
)
def test_what_is_lost_counts_from_the_last_checkpoint_or_from_the_start(
    seconds: float, saved: float | None, boost: int
) -> None:
    plan = reconcile(running(seconds, saved).seen())

    assert plan.status.attempts[0].priority_boost == (boost or None)
    assert plan.boost == (PriorityBoost(a_job().job_uid(1), boost) if boost else None)


def test_a_boost_is_written_once_and_looked_at_again_when_it_changes() -> None:
    job = running(700)
    first = reconcile(job.seen())
    assert first.requeue_after is not None
    assert first.requeue_after <= 500
    second = reconcile(reconciled(job).seen())
    assert (second.boost, second.status.attempts[0].priority_boost) == (None, 1)


def test_a_boost_that_does_not_grow_any_more_needs_no_other_look() -> None:
    longest = reconcile(running(10_000, priority_boost_seconds=1).seen())
    assert longest.status.attempts[0].priority_boost == 4


def test_a_new_checkpoint_takes_the_boost_away() -> None:
    job = reconciled(running(5000))
    assert job.status.attempts[0].priority_boost == 4
    job = job.with_checkpoint(5)
    assert reconcile(job.seen()).boost == PriorityBoost(a_job().job_uid(1), 0)


@pytest.mark.parametrize(
    "job",
    [
        running(5000, priority_boost_seconds=0),
        running(5000).with_child(running(5000).held_manifest(1)),
        running(5000).without_children(),
        queued_job().prepared(),
        reconciled(queued_job().prepared()),
    ],
    ids=["not wanted", "in no queue", "no Job", "no attempt", "no Job yet"],
)
def test_there_is_no_boost_outside_of_queues_or_where_nobody_wants_it(job: JobBuilder) -> None:
    plan = reconcile(job.seen())
    assert plan.boost is None
    assert all(attempt.priority_boost is None for attempt in plan.status.attempts)


def test_a_job_that_waits_again_has_no_boost() -> None:
    job = reconciled(running(5000))
    held = suspended_job(job.attempt_manifest(1))
    held["metadata"]["annotations"]["posefleet.io/taken-over-by"] = "2"
    taken_over = reconciled(replace(job.with_child(held), pods=()))
    plan = reconcile(taken_over.seen())

    assert [attempt.priority_boost for attempt in taken_over.status.attempts] == [4, 4]
    assert plan.boost == PriorityBoost(a_job().job_uid(1), 0)
    assert plan.status.attempts[1].priority_boost is None
