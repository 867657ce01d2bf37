"""How attempts end: by themselves, by the deadline, by ``spec.suspend``, or because they got nowhere."""

from posefleet_api.constants import COMPONENT_ATTEMPT
from posefleet_api.status import Attempt
from posefleet_operator.cluster.objects import from_timestamp, to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import MAX_MESSAGE, Plan, find_condition
from posefleet_operator.policies.attempts import counts_against_budget, gpu_seconds, queue_seconds
from posefleet_operator.policies.exit_outcomes import Ending, ending_of_disrupted_gang, ending_of_gang, gang_has_ended
from posefleet_operator.policies.stall import PROGRESS_UNKNOWN, progress_unknown_message, stall_ending, stalls_at
from posefleet_operator.steps.attempt import gang_size

_REQUEUE_SECONDS = 2.0


def record_outcome(seen: Observation, plan: Plan) -> None:
    """Write down how the newest attempt ended, once its whole gang has.

    Nothing else happens in the same reconcile: the outcome, and with it the budget, is in the status before
    the next gang exists.
    """
    attempt = running_attempt(plan.status)
    if attempt is None:
        return
    job = seen.attempt_job(attempt.number)
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    requeued = job is not None and job.suspended and attempt.running_time is not None
    if requeued and not any(pod.active for pod in pods):
        end_attempt(seen, plan, Ending("Preempted", "QueuePreempted", "Kueue gave the nodes to another job"))
    elif gang_has_ended(job, pods, seen.now):
        ran = attempt.running_time is not None
        ending = ending_of_gang(pods, gang_size(seen, attempt), job is None, ran)
        end_attempt(seen, plan, _as_asked(plan, ending))
    elif job is not None and job.finished:
        plan.requeue_within(_REQUEUE_SECONDS)


def detect_stall(seen: Observation, plan: Plan) -> None:
    """End an attempt that has made no step for ``failurePolicy.stallSeconds``.

    Silence proves nothing, for training needs no operator: an attempt that was never heard goes on. Only when one of
    its pods should have ended as long ago, as on a node that is gone, is it ended all the same.
    """
    attempt = running_attempt(plan.status)
    begun = from_timestamp(attempt.running_time) if attempt is not None else None
    if attempt is None or begun is None:
        return
    limit = seen.spec.failure_policy.stall_seconds
    report = seen.report if seen.report is not None and seen.report.attempt == attempt.number else None
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    deletions = [pod.identity.deleted_at for pod in pods if pod.identity.deleted_at is not None]
    since = begun if report is not None else max([begun, *deletions])
    advanced_at = seen.advanced_at if report is not None else None
    left = (stalls_at(since, seen.polled_since, advanced_at, limit) - seen.now).total_seconds()
    if left > 0:
        plan.requeue_within(left)
    elif report is None and not deletions:
        plan.condition("Running", True, PROGRESS_UNKNOWN, progress_unknown_message(pods, limit))
    else:
        end_attempt(seen, plan, ending_of_disrupted_gang(pods, gang_size(seen, attempt)) or stall_ending(limit))


def replace_changed(seen: Observation, plan: Plan) -> None:
    """End an attempt whose author has changed what shapes its pods before all of them ran; the next one obeys."""
    attempt = running_attempt(plan.status)
    if attempt is None or attempt.running_time is not None or not seen.pods_changed(seen.attempt_job(attempt.number)):
        return
    end_attempt(seen, plan, Ending("Preempted", "Replaced", "the manifest was changed while the pods waited"))


def _as_asked(plan: Plan, ending: Ending) -> Ending:
    """An attempt that was stopped by ``spec.suspend`` ended for that reason, whatever its pods saw of it."""
    condition = find_condition(plan.status.conditions, "Suspended")
    if ending.outcome == "Preempted" and condition is not None and condition.reason == "Suspending":
        return Ending("Preempted", "Suspended", "stopped by spec.suspend")
    return ending


def end_attempt(seen: Observation, plan: Plan, ending: Ending) -> None:
    plan.update_attempt(
        end_time=to_timestamp(seen.now),
        outcome=ending.outcome,
        reason=ending.reason,
        message=ending.message[:MAX_MESSAGE],
    )
    attempt = plan.status.attempts[-1]
    waited = 0.0 if attempt.running_time is not None else queue_seconds(attempt)
    plan.update(
        failed_attempts=plan.status.failed_attempts + counts_against_budget(attempt),
        gpu_seconds=plan.status.gpu_seconds + round(gpu_seconds(attempt)),
        queue_seconds=plan.status.queue_seconds + round(waited),
    )
    plan.clear_estimates()
    plan.condition("Running", False, ending.reason, ending.message)
    _finish_if_last(seen, plan, attempt, ending)
    plan.skip_remaining_steps(0)


def _finish_if_last(seen: Observation, plan: Plan, attempt: Attempt, ending: Ending) -> None:
    failed = plan.status.failed_attempts
    if ending.outcome == "Succeeded":
        plan.succeed(ending.message)
    elif ending.final:
        plan.fail(ending.reason, ending.message)
    elif counts_against_budget(attempt) and failed >= seen.spec.failure_policy.max_attempts:
        plan.fail("AttemptsExhausted", f"{failed} attempts failed, the last with {ending.reason}: {ending.message}")
