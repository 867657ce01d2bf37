"""What the steps make of annotations: the events they record, the status they write, and what they leave alone."""

from dataclasses import replace
from typing import Any

import pytest

from posefleet_api.constants import ANNOTATION_CHECKPOINT_NOW, ANNOTATION_RETRY
from posefleet_api.status import Checkpoint, Preparation
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan
from posefleet_operator.steps.requests import answer_checkpoint_request, reopen_on_request
from unit.operator.builders import NOW, JobBuilder, a_job, a_report


def asked(job: JobBuilder, annotation: str, value: str) -> tuple[Observation, Plan]:
    """The job with the annotation, and a plan on which nothing is written yet."""
    seen = job.seen()
    metadata = {**seen.manifest["metadata"], "annotations": {annotation: value}}
    seen = replace(seen, manifest={**seen.manifest, "metadata": metadata})
    return seen, Plan(seen.status, NOW, 1)


def events(plan: Plan) -> list[tuple[str, str, str]]:
    return [(event.reason.name, event.message, event.identity) for event in plan.events]


FAILED: dict[str, Any] = {
    "phase": "Failed",
    "start_time": "2026-01-30T12:00:00Z",
    "completion_time": "2026-01-30T18:00:00Z",
    "current_attempt": 4,
    "failed_attempts": 3,
}


@pytest.mark.parametrize(
    ("preparation", "end_time"),
    [
        ({"tries": 0}, None),
        ({"tries": 2}, to_timestamp(NOW)),
        ({"tries": 2, "end_time": "2026-01-30T13:00:00Z"}, "2026-01-30T13:00:00Z"),
    ],
)
def test_a_retry_gives_a_failed_job_its_budget_and_its_time_again(
    preparation: dict[str, Any], end_time: str | None
) -> None:
    preparation = {**preparation, "failures": 3, "unreachable": 2}
    job = a_job().with_status(**FAILED, preparation=Preparation.model_validate(preparation))
    seen, plan = asked(job, ANNOTATION_RETRY, "monday")
    reopen_on_request(seen, plan)

    status, prepared = plan.status, plan.status.preparation
    assert (status.phase, status.start_time, status.completion_time) == ("Pending", to_timestamp(NOW), None)
    assert (status.failed_attempts, status.reopened_after_attempt, status.retry_request) == (0, 4, "monday")
    assert (prepared.failures, prepared.unreachable, prepared.end_time) == (0, 0, end_time)
    said = "reopened by the annotation posefleet.io/retry"
    assert events(plan) == [("Reopened", said, "retry-monday")]
    assert [(one.type, one.status, one.reason, one.message) for one in status.conditions] == [
        (kind, "False", "Reopened", said) for kind in ("Running", "Succeeded", "Failed", "Finished")
    ]


@pytest.mark.parametrize(("phase", "state"), [("Succeeded", "has succeeded"), ("Running", "has not failed")])
def test_a_retry_of_a_job_that_has_not_failed_is_recorded_and_changes_nothing_else(phase: str, state: str) -> None:
    seen, plan = asked(a_job().with_status(phase=phase), ANNOTATION_RETRY, "monday")
    reopen_on_request(seen, plan)

    assert plan.status == seen.status.model_copy(update={"retry_request": "monday"})
    said = f"the job {state}, and posefleet.io/retry reopens only jobs that have failed"
    assert events(plan) == [("RetryIgnored", said, "retry-monday")]


def test_a_job_whose_manifest_is_not_valid_is_not_reopened() -> None:
    failed = a_job().with_spec(model={"backbone": "no_such_network"}).with_status(**FAILED)
    seen, plan = asked(failed, ANNOTATION_RETRY, "monday")
    reopen_on_request(seen, plan)

    assert plan.status == seen.status.model_copy(update={"retry_request": "monday"})
    ((reason, message, identity),) = events(plan)
    assert (reason, identity) == ("RetryRefused", "retry-monday")
    assert message.startswith("the job is not reopened, because its manifest is not valid: ")
    assert "backbone" in message


@pytest.mark.parametrize("value", ["", "monday"])
def test_a_request_that_is_empty_or_was_handled_before_changes_nothing(value: str) -> None:
    handled = {"retry_request": "monday", "checkpoint_request": "monday"}
    for annotation, step in (
        (ANNOTATION_RETRY, reopen_on_request),
        (ANNOTATION_CHECKPOINT_NOW, answer_checkpoint_request),
    ):
        seen, plan = asked(a_job().with_status(**FAILED, **handled), annotation, value)
        step(seen, plan)
        assert (plan.status, plan.events, plan.checkpoint_request) == (seen.status, [], "")


@pytest.mark.parametrize(("step", "text"), [(40, " of step 40"), (None, "")])
def test_a_checkpoint_that_was_taken_is_reported_with_its_step_if_that_is_known(step: int | None, text: str) -> None:
    checkpoint = None if step is None else Checkpoint(uri="s3://c", step=step, time=to_timestamp(NOW), sha256="0" * 64)
    changes = {"checkpoint_request": "now", "last_checkpoint": checkpoint}
    job = a_job().running_attempt(1).saying(a_report(1, 42).model_copy(update=changes))
    seen, plan = asked(job, ANNOTATION_CHECKPOINT_NOW, "now")
    answer_checkpoint_request(seen, plan)

    said = f"the checkpoint{text} is in the store (asked for by posefleet.io/checkpoint-now=now)"
    assert events(plan) == [("CheckpointTaken", said, "checkpoint-now")]
    assert (plan.status.checkpoint_request, plan.checkpoint_request) == ("now", "")
