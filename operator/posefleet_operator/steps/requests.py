"""The steps that answer what the job's author asks for by an annotation of the job.

A request is the value of an annotation. It is handled once, and then recorded in the status; another value is another
request.
"""

from posefleet_api.constants import ANNOTATION_CHECKPOINT_NOW, ANNOTATION_RETRY
from posefleet_api.job import InvalidManifest
from posefleet_operator import reasons
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import JobEvent, Plan

_REOPENED_MESSAGE = f"reopened by the annotation {ANNOTATION_RETRY}"


def reopen_on_request(seen: Observation, plan: Plan) -> None:
    """Reopen a failed job for a new value of ``posefleet.io/retry``, or report why it is not reopened."""
    request = seen.request(ANNOTATION_RETRY)
    if not request or request == plan.status.retry_request:
        return
    plan.update(retry_request=request)
    identity = f"retry-{request}"
    if plan.status.phase != "Failed":
        state = "has succeeded" if plan.status.phase == "Succeeded" else "has not failed"
        message = f"the job {state}, and {ANNOTATION_RETRY} reopens only jobs that have failed"
        plan.events.append(JobEvent(reasons.RETRY_IGNORED, message, identity))
    elif isinstance(seen.job, InvalidManifest):
        message = f"the job is not reopened, because its manifest is not valid: {seen.job}"
        plan.events.append(JobEvent(reasons.RETRY_REFUSED, message, identity))
    else:
        _reopen(plan)
        plan.events.append(JobEvent(reasons.REOPENED, _REOPENED_MESSAGE, identity))


def answer_checkpoint_request(seen: Observation, plan: Plan) -> None:
    """Have rank 0 asked for a checkpoint for a new value of ``posefleet.io/checkpoint-now``, and record its answer."""
    request = seen.request(ANNOTATION_CHECKPOINT_NOW)
    if not request or request == plan.status.checkpoint_request:
        return
    attempt, report = running_attempt(plan.status), seen.report
    if attempt is None:
        reason, message = reasons.CHECKPOINT_NOT_TAKEN, "no attempt runs that could write a checkpoint"
    elif report is not None and (report.attempt, report.checkpoint_request) == (attempt.number, request):
        step = f" of step {report.last_checkpoint.step}" if report.last_checkpoint is not None else ""
        reason, message = reasons.CHECKPOINT_TAKEN, f"the checkpoint{step} is in the store"
    else:
        plan.checkpoint_request = request
        return
    plan.update(checkpoint_request=request)
    text = f"{message} (asked for by {ANNOTATION_CHECKPOINT_NOW}={request})"
    plan.events.append(JobEvent(reason, text, f"checkpoint-{request}"))


def _reopen(plan: Plan) -> None:
    """Give a failed job its whole budget and its whole time again. What it has trained and prepared is kept."""
    now = to_timestamp(plan.now)
    former = plan.status.preparation
    plan.update_preparation(failures=0, unreachable=0, end_time=former.end_time or (now if former.tries else None))
    plan.update(
        phase="Pending",
        start_time=now,
        completion_time=None,
        failed_attempts=0,
        reopened_after_attempt=plan.status.current_attempt,
    )
    for kind in ("Running", "Succeeded", "Failed", "Finished"):
        plan.condition(kind, False, reasons.REOPENED, _REOPENED_MESSAGE)
