"""The steps that end attempts: they record an outcome, replace a gang after an edit, and detect stalls."""

from posefleet_api.constants import COMPONENT_ATTEMPT
from posefleet_api.status import Attempt
from posefleet_operator import reasons
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import MAX_MESSAGE, Plan, find_condition
from posefleet_operator.policies.attempts import (
    attempts_since_reopened,
    counts_against_budget,
    gpu_seconds,
    queue_seconds,
)
from posefleet_operator.policies.exit_outcomes import Ending, ending_of_disrupted_gang, gang_has_ended
from posefleet_operator.policies.failures import action_of_rule, why_job_fails
from posefleet_operator.policies.job_endings import ending_of_child_job
from posefleet_operator.policies.lost_nodes import gang_is_lost
from posefleet_operator.policies.progress import last_step
from posefleet_operator.policies.stall import check_stall

_REQUEUE_SECONDS = 2.0


def record_outcome(seen: Observation, plan: Plan) -> None:
    """Record how the newest attempt ended, once its whole gang has.

    Nothing else happens in the same reconcile, so that the outcome, and with it the budget, is in the status before
    the next gang exists.
    """
    attempt = running_attempt(plan.status)
    if attempt is None:
        return
    if attempt.job_uid is None:
        if seen.spec.suspend:
            end_attempt(seen, plan, Ending.of(reasons.SUSPENDED, "stopped by spec.suspend before it was created"))
        return
    job = seen.attempt_job(attempt.number)
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    requeued = job is not None and job.suspended and attempt.running_time is not None
    if requeued and not any(pod.active for pod in pods):
        end_attempt(seen, plan, Ending.of(reasons.QUEUE_PREEMPTED, "Kueue gave the nodes to another job"))
    elif gang_has_ended(job, pods, seen.ages):
        ran = attempt.running_time is not None
        ending = ending_of_child_job(job, pods, seen.gang_size(attempt), ran)
        end_attempt(seen, plan, suspended_or(ending, seen, plan))
    elif job is not None and job.finished:
        plan.requeue_within(_REQUEUE_SECONDS)


def replace_changed(seen: Observation, plan: Plan) -> None:
    """End an attempt whose author has edited its pods before all of them ran. The next one follows the edit."""
    attempt = running_attempt(plan.status)
    if attempt is None or attempt.running_time is not None:
        return
    if seen.pods_changed(seen.attempt_job(attempt.number)):
        end_attempt(seen, plan, Ending.of(reasons.REPLACED, "the manifest was changed while the pods waited"))


def end_lost_gang(seen: Observation, plan: Plan) -> None:
    """End an attempt of which nothing is left but deleted pods on nodes that do not answer."""
    attempt = running_attempt(plan.status)
    if attempt is None or seen.is_heard(attempt):
        return
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    ending = ending_of_disrupted_gang(pods, seen.gang_size(attempt))
    if ending is not None and gang_is_lost(pods, seen.ages):
        end_attempt(seen, plan, suspended_or(ending, seen, plan))


def detect_stall(seen: Observation, plan: Plan) -> None:
    """End an attempt that has made no step for ``failurePolicy.stallSeconds``."""
    attempt = running_attempt(plan.status)
    if attempt is None or attempt.running_time is None:
        return
    check = check_stall(seen, attempt)
    if check.ending is not None:
        end_attempt(seen, plan, check.ending)
        return
    if check.unknown is not None:
        plan.condition("Running", True, *check.unknown)
    plan.requeue_within(check.seconds_left)


def end_attempt(seen: Observation, plan: Plan, ending: Ending) -> None:
    """Write the outcome of the newest attempt and its costs, and finish the job if no other attempt follows."""
    plan.update_attempt(
        end_time=to_timestamp(seen.now),
        end_step=last_step(plan.status),
        outcome=ending.outcome,
        reason=ending.reason.name,
        message=ending.message[:MAX_MESSAGE],
        action=action_of_rule(ending, seen.spec.failure_policy),
    )
    attempt = plan.status.attempts[-1]
    waited = 0.0 if attempt.running_time is not None else queue_seconds(attempt)
    plan.update(
        failed_attempts=plan.status.failed_attempts + counts_against_budget(attempt),
        preempted_attempts=plan.status.preempted_attempts + (attempt.outcome == "Preempted"),
        gpu_seconds=plan.status.gpu_seconds + round(gpu_seconds(attempt)),
        queue_seconds=plan.status.queue_seconds + round(waited),
    )
    plan.clear_estimates()
    plan.condition("Running", False, ending.reason, ending.message)
    _finish_if_last(seen, plan, attempt, ending)
    plan.skip_remaining_steps(0)


#: What a gang that the operator deletes looks like.
_DELETED = frozenset({reasons.POD_DELETED, reasons.JOB_DELETED, reasons.PREEMPTED})


def suspended_or(ending: Ending, seen: Observation, plan: Plan) -> Ending:
    """Return that a gang or a try was stopped by ``spec.suspend`` if it was, whatever its pods saw of it.

    The status does not say that it was being suspended if the API server refused to store that.
    """
    condition = find_condition(plan.status.conditions, "Suspended")
    suspending = condition is not None and condition.reason == reasons.SUSPENDING.name
    if ending.outcome == "Preempted" and (suspending or (seen.spec.suspend and ending.reason in _DELETED)):
        return Ending.of(reasons.SUSPENDED, "stopped by spec.suspend")
    return ending


def _finish_if_last(seen: Observation, plan: Plan, attempt: Attempt, ending: Ending) -> None:
    failed, policy = plan.status.failed_attempts, seen.spec.failure_policy
    if ending.outcome == "Succeeded":
        plan.succeed(ending.message)
    elif (failure := why_job_fails(attempts_since_reopened(plan.status), ending, policy)) is not None:
        plan.fail(*failure)
    elif counts_against_budget(attempt) and failed >= policy.max_failures:
        message = f"{failed} attempts failed, the last with {ending.reason}: {ending.message}"
        plan.fail(reasons.ATTEMPTS_EXHAUSTED, message)
