"""How attempts end: by themselves, by the deadline, by ``spec.suspend``, or because they got nowhere."""

from collections.abc import Sequence

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.status import Attempt
from posefleet_operator.children import ChildPod
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import MAX_MESSAGE, Plan, Reference
from posefleet_operator.policies.attempts import counts
from posefleet_operator.policies.conditions import find_condition
from posefleet_operator.policies.deadline import seconds_left
from posefleet_operator.policies.gang import has_ended
from posefleet_operator.policies.outcomes import Ending, ending_of_gang, ending_of_taken_gang
from posefleet_operator.policies.progress import without_eta
from posefleet_operator.policies.stall import PROGRESS_UNKNOWN, stalled, stalls_at, unheard
from posefleet_operator.policies.usage import gpu_seconds, queue_seconds
from posefleet_operator.policies.waiting import overdue, why_not_ended
from posefleet_operator.steps.attempts import gang_size
from posefleet_operator.steps.finish import fail, succeed
from posefleet_operator.timestamps import from_timestamp, to_timestamp

_LOOK_AGAIN_SECONDS = 2.0
_SUSPENDING_SECONDS = 30.0


def conclude(seen: Observation, plan: Plan) -> None:
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
        _end(seen, plan, Ending("Preempted", "QueuePreempted", "Kueue gave the nodes to another job"))
    elif has_ended(job, pods, seen.now):
        ran = attempt.running_time is not None
        ending = ending_of_gang(pods, gang_size(seen, attempt), job is None, ran)
        _end(seen, plan, _as_asked(plan, ending))
    elif job is not None and job.finished:
        plan.wake(_LOOK_AGAIN_SECONDS)


def deadline(seen: Observation, plan: Plan) -> None:
    """Fail a job that has used up ``activeDeadlineSeconds``."""
    limit = seen.spec.active_deadline_seconds
    left = seconds_left(plan.status.start_time, limit, seen.now)
    if left is None:
        return
    if left > 0:
        plan.wake(left)
        return
    message = f"not finished within activeDeadlineSeconds ({limit}); apply a job with another name and more time"
    if running_attempt(plan.status) is not None:
        _end(seen, plan, Ending("DeadlineExceeded", "DeadlineExceeded", message))
    fail(plan, "DeadlineExceeded", message)
    plan.settle(0)


def suspend(seen: Observation, plan: Plan) -> None:
    """Give the nodes back while ``spec.suspend`` is true, after a checkpoint."""
    if not seen.spec.suspend:
        _resume(plan)
        return
    jobs = (*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE))
    for job in jobs:
        if job.unfinished:
            plan.delete.append(Reference("Job", job.identity.name, job.identity.uid))
    live = [pod for pod in seen.pods if pod.identity.owner_uid == seen.uid and pod.active]
    if live or running_attempt(plan.status) is not None or any(not job.finished for job in jobs):
        plan.condition("Suspended", False, "Suspending", _why_suspending(overdue(live, seen.now)))
        plan.wake(_SUSPENDING_SECONDS)
    else:
        plan.condition("Suspended", True, "Suspended", "set spec.suspend to false to go on from the last checkpoint")
        plan.condition("Running", False, "Suspended", "spec.suspend is true")
        plan.update(progress=without_eta(plan.status.progress))
    plan.settle()


def stall(seen: Observation, plan: Plan) -> None:
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
    got_on_at = seen.got_on_at if report is not None else None
    left = (stalls_at(since, seen.asking_since, got_on_at, limit) - seen.now).total_seconds()
    if left > 0:
        plan.wake(left)
    elif report is None and not deletions:
        plan.condition("Running", True, PROGRESS_UNKNOWN, unheard(pods, limit))
    else:
        _end(seen, plan, ending_of_taken_gang(pods, gang_size(seen, attempt)) or stalled(limit))


def reshape(seen: Observation, plan: Plan) -> None:
    """End an attempt whose author has changed what shapes its pods before all of them ran; the next one obeys."""
    attempt = running_attempt(plan.status)
    if attempt is None or attempt.running_time is not None or not seen.reshaped(seen.attempt_job(attempt.number)):
        return
    _end(seen, plan, Ending("Preempted", "Replaced", "the manifest was changed while the pods waited"))


def _resume(plan: Plan) -> None:
    """Say that the job goes on; while its gang still ends, the condition keeps saying why."""
    condition = find_condition(plan.status.conditions, "Suspended")
    stopping = condition is not None and condition.reason == "Suspending" and running_attempt(plan.status) is not None
    if condition is not None and condition.reason != "Resumed" and not stopping:
        plan.condition("Suspended", False, "Resumed", "spec.suspend is false")


def _why_suspending(late: Sequence[ChildPod]) -> str:
    if not late:
        return "the pods are asked to write a checkpoint and to end"
    return why_not_ended([f"pod {pod.identity.name}" for pod in late], late).message


def _as_asked(plan: Plan, ending: Ending) -> Ending:
    """An attempt that was stopped by ``spec.suspend`` ended for that reason, whatever its pods saw of it."""
    condition = find_condition(plan.status.conditions, "Suspended")
    if ending.outcome == "Preempted" and condition is not None and condition.reason == "Suspending":
        return Ending("Preempted", "Suspended", "stopped by spec.suspend")
    return ending


def _end(seen: Observation, plan: Plan, ending: Ending) -> None:
    plan.update_attempt(
        end_time=to_timestamp(seen.now),
        outcome=ending.outcome,
        reason=ending.reason,
        message=ending.message[:MAX_MESSAGE],
    )
    attempt = plan.status.attempts[-1]
    waited = 0.0 if attempt.running_time is not None else queue_seconds(attempt)
    plan.update(
        failed_attempts=plan.status.failed_attempts + counts(attempt),
        gpu_seconds=plan.status.gpu_seconds + round(gpu_seconds(attempt)),
        queue_seconds=plan.status.queue_seconds + round(waited),
        progress=without_eta(plan.status.progress),
    )
    plan.condition("Running", False, ending.reason, ending.message)
    _finish_if_last(seen, plan, attempt, ending)
    plan.settle(0)


def _finish_if_last(seen: Observation, plan: Plan, attempt: Attempt, ending: Ending) -> None:
    failed = plan.status.failed_attempts
    if ending.outcome == "Succeeded":
        succeed(plan, ending.message)
    elif ending.final:
        fail(plan, ending.reason, ending.message)
    elif counts(attempt) and failed >= seen.spec.failure_policy.max_attempts:
        fail(plan, "AttemptsExhausted", f"{failed} attempts failed, the last with {ending.reason}: {ending.message}")
