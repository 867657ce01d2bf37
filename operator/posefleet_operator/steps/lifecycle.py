"""The first steps: take note of the job, refuse what cannot run, and leave finished jobs in peace."""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.job import InvalidManifest, PoseTrainingJob
from posefleet_api.status import Preparation, Status
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan, Reference, find_condition
from posefleet_operator.policies.exit_outcomes import Ending
from posefleet_operator.policies.lifecycle import phase_of, seconds_left, seconds_to_live
from posefleet_operator.steps.attempt_end import end_attempt


def record_generation(seen: Observation, plan: Plan) -> None:
    """Note which spec is spoken of, and when the job was seen first."""
    plan.update(
        observed_generation=seen.generation,
        start_time=plan.status.start_time or to_timestamp(seen.now),
    )


def reopen_corrected(seen: Observation, plan: Plan) -> None:
    """Give a job that was refused for its data or its manifest another life when its author has corrected it.

    What was refused before it began may have been the cluster's fault, such as a store that is there only now.
    """
    if not seen.finished or plan.status.attempts or isinstance(seen.job, InvalidManifest):
        return
    failed = find_condition(plan.status.conditions, "Failed")
    tries = plan.status.preparation.tries
    edited = not tries or seen.generation != seen.status.observed_generation
    corrected = edited and plan.status.preparation.fingerprint != seen.fingerprint
    if failed is None or failed.reason != "InvalidInput" or not corrected:
        return
    plan.status = Status(
        observed_generation=seen.generation,
        start_time=to_timestamp(seen.now),
        preparation=Preparation(tries=tries, end_time=to_timestamp(seen.now) if tries else None),
    )


def clean_up_finished(seen: Observation, plan: Plan) -> None:
    """Keep a finished job as it is: only stop what still runs, and delete it when its time has come."""
    if plan.status.completion_time is None:
        return
    plan.delete_unfinished((*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE)))
    left = seconds_to_live(plan.status.completion_time, seen.ttl_seconds, seen.now)
    if left == 0:
        plan.delete.append(Reference("PoseTrainingJob", seen.name, seen.uid))
    plan.skip_remaining_steps(left or None)


def refuse_invalid(seen: Observation, plan: Plan) -> None:
    """Fail a job whose manifest is wrong in a way that the API server did not see."""
    if isinstance(seen.job, InvalidManifest):
        plan.fail("InvalidInput", str(seen.job))
        plan.skip_remaining_steps(0)


def enforce_deadline(seen: Observation, plan: Plan) -> None:
    """Fail a job that has used up ``activeDeadlineSeconds``."""
    limit = seen.spec.active_deadline_seconds
    left = seconds_left(plan.status.start_time, limit, seen.now)
    if left is None:
        return
    if left > 0:
        plan.requeue_within(left)
        return
    message = f"not finished within activeDeadlineSeconds ({limit}); apply a job with another name and more time"
    if running_attempt(plan.status) is not None:
        end_attempt(seen, plan, Ending("DeadlineExceeded", "DeadlineExceeded", message))
    plan.fail("DeadlineExceeded", message)
    plan.skip_remaining_steps(0)


def summarize(seen: Observation, plan: Plan) -> None:
    """Set the phase and the GPUs."""
    status = plan.status
    attempt = running_attempt(status)
    if status.completion_time is None:
        suspended = isinstance(seen.job, PoseTrainingJob) and seen.spec.suspend
        plan.update(phase=phase_of(status, attempt is not None, suspended))
    if attempt is not None:
        plan.update(gpus=attempt.gpus)
    elif status.completion_time is None and isinstance(seen.job, PoseTrainingJob):
        plan.update(gpus=seen.spec.resources.gpus)
