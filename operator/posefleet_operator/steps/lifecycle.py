"""The steps for the life of a job as a whole: acceptance, refusal, deadline, cleanup after the end, and summary."""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.job import InvalidManifest, PoseTrainingJob
from posefleet_api.status import ConditionType, Preparation, Resolved, Status
from posefleet_operator import reasons
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, current_try, running_attempt
from posefleet_operator.plan import Plan, Reference, find_condition
from posefleet_operator.policies.exit_outcomes import Ending
from posefleet_operator.policies.lifecycle import phase_of, seconds_to_live, seconds_until_deadline
from posefleet_operator.reasons import Reason
from posefleet_operator.steps.attempt_end import end_attempt


def record_generation(seen: Observation, plan: Plan) -> None:
    """Record which generation of the spec the status is about, and when the job was first seen."""
    plan.update(
        observed_generation=seen.generation,
        start_time=plan.status.start_time or to_timestamp(seen.now),
    )


def reopen_corrected(seen: Observation, plan: Plan) -> None:
    """Reset a job that was refused for its data or its manifest when its author has corrected it.

    A job that was refused before it started may have lacked something of the cluster, such as a store, that has been
    added since. It is reset without an edit.
    """
    if not seen.finished or plan.status.attempts or isinstance(seen.job, InvalidManifest):
        return
    failed = find_condition(plan.status.conditions, "Failed")
    tries = plan.status.preparation.tries
    edited = not tries or seen.generation != seen.status.observed_generation
    corrected = edited and plan.status.preparation.fingerprint != seen.fingerprint
    if failed is None or failed.reason != reasons.INVALID_INPUT.name or not corrected:
        return
    plan.status = Status(
        observed_generation=seen.generation,
        start_time=to_timestamp(seen.now),
        preparation=Preparation(tries=tries, end_time=to_timestamp(seen.now) if tries else None),
        checkpoint_request=plan.status.checkpoint_request,
        retry_request=plan.status.retry_request,
    )


def clean_up_finished(seen: Observation, plan: Plan) -> None:
    """Leave a finished job as it is, stop what still runs of it, and delete it when its time to live is over."""
    if plan.status.completion_time is None:
        return
    plan.delete_unfinished((*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE)))
    left = seconds_to_live(seen.ages.since(plan.status.completion_time), seen.ttl_seconds)
    if left == 0:
        plan.delete.append(Reference("PoseTrainingJob", seen.name, seen.uid))
    plan.skip_remaining_steps(left or None)


def refuse_invalid(seen: Observation, plan: Plan) -> None:
    """Fail a job whose manifest has a mistake that the API server could not see."""
    if isinstance(seen.job, InvalidManifest):
        plan.fail(reasons.INVALID_INPUT, str(seen.job))
        plan.skip_remaining_steps(0)


def enforce_deadline(seen: Observation, plan: Plan) -> None:
    """Fail a job that has not finished within ``activeDeadlineSeconds``."""
    limit = seen.spec.active_deadline_seconds
    left = seconds_until_deadline(seen.ages.since(plan.status.start_time), limit)
    if left is None:
        return
    if left > 0:
        plan.requeue_within(left)
        return
    reason = reasons.DEADLINE_EXCEEDED
    message = f"not finished within activeDeadlineSeconds ({limit}); {reason.remedy}"
    if running_attempt(plan.status) is not None:
        end_attempt(seen, plan, Ending.of(reason, message))
    elif current_try(plan.status) is not None:
        plan.update_preparation(end_time=to_timestamp(seen.now))
        plan.condition("Prepared", False, reason, message)
    plan.fail(reason, message)
    plan.skip_remaining_steps(0)


#: The conditions that a job has before anything else is known of it.
_FIRST_CONDITIONS: tuple[tuple[ConditionType, bool, Reason], ...] = (
    ("Prepared", False, reasons.NOT_STARTED),
    ("Running", False, reasons.NOT_STARTED),
    ("Suspended", False, reasons.NOT_SUSPENDED),
    ("UpToDate", True, reasons.UP_TO_DATE),
    ("Succeeded", False, reasons.IN_PROGRESS),
    ("Failed", False, reasons.IN_PROGRESS),
    ("Finished", False, reasons.IN_PROGRESS),
)


def _complete_conditions(plan: Plan) -> None:
    """Add the conditions that the status does not have yet, so that ``kubectl wait`` always finds what it waits for."""
    for kind, status, reason in _FIRST_CONDITIONS:
        if find_condition(plan.status.conditions, kind) is None:
            plan.condition(kind, status, reason, reason.meaning)


def summarize(seen: Observation, plan: Plan) -> None:
    """Set the phase and the number of GPUs from the rest of the status. This runs after all other steps."""
    _complete_conditions(plan)
    status = plan.status
    attempt = running_attempt(status)
    if status.completion_time is None:
        suspend = isinstance(seen.job, PoseTrainingJob) and seen.spec.suspend
        plan.update(phase=phase_of(status, attempt is not None, suspend))
    if attempt is not None:
        plan.update(gpus=attempt.gpus)
    elif status.completion_time is None and isinstance(seen.job, PoseTrainingJob):
        plan.update(gpus=seen.spec.resources.gpus)
    if isinstance(seen.job, PoseTrainingJob) and status.completion_time is None:
        plan.update(resolved=Resolved(storage=seen.spec.storage, resources=seen.spec.resources))
