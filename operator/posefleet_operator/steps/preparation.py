"""The step that has the data prepared: tries of the prepare Job until the data are prepared or prove to be wrong."""

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_api.job import PoseTrainingJob
from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Preparation, Status
from posefleet_operator import reasons
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.builders.prepare_job import prepare_job
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import prepare_name, to_timestamp
from posefleet_operator.observation import Observation, current_try
from posefleet_operator.plan import Plan, Reference, is_true
from posefleet_operator.policies.attempts import seconds_before_next_try, with_jitter
from posefleet_operator.policies.exit_outcomes import (
    Ending,
    ending_of_disrupted_gang,
    gang_has_ended,
    termination_message,
)
from posefleet_operator.policies.failures import Action, action_of_rule, why_rule_fails
from posefleet_operator.policies.job_endings import ending_of_child_job
from posefleet_operator.policies.lifecycle import number_to_delete
from posefleet_operator.policies.lost_nodes import gang_is_lost, node_lost, unreachable_pods
from posefleet_operator.policies.waiting import may_lack_config, pods_refused, what_blocks_creation, why_waiting
from posefleet_operator.reasons import Reason
from posefleet_operator.steps.attempt_end import suspended_or

_REQUEUE_SECONDS = 30.0
_PREPARING_MESSAGE = "the data are being checked and prepared"
_CHANGED_MESSAGE = "the manifest has changed; the data are prepared again"
#: The status holds no more.
_MAX_WARNINGS = 64


def record_try(seen: Observation, plan: Plan) -> None:
    """Record how the current try of the preparation ended, once it has.

    As for an attempt, nothing else happens in the same reconcile. The end of a try that the operator itself stopped,
    because of an edit or of ``spec.suspend``, is recorded as that.
    """
    number = current_try(plan.status)
    if plan.status.attempts or number is None:
        return
    job, pods = seen.prepare_job(number), seen.own_pods(COMPONENT_PREPARE, number)
    # The files that a try stores are named by their content, so one that still runs on a lost node does no harm.
    disrupted = ending_of_disrupted_gang(pods, 1) if gang_is_lost(pods, seen.ages) else None
    if disrupted is None and not gang_has_ended(job, pods, seen.ages):
        return
    if _is_superseded(seen, plan, job, pods):
        plan.update_preparation(end_time=to_timestamp(seen.now), failures=0, unreachable=0)
    else:
        ending = suspended_or(disrupted or ending_of_child_job(job, pods, 1), seen, plan)
        _record_ending(seen, plan, ending, pods)
    plan.skip_remaining_steps(0)


def prepare(seen: Observation, plan: Plan) -> None:
    """Have the data prepared before the first attempt. Later attempts use what that attempt has used."""
    if plan.status.attempts or _is_prepared(seen, plan.status):
        return
    number = current_try(plan.status)
    if number is None:
        _start_try(seen, plan)
    else:
        _watch_try(seen, plan, seen.prepare_job(number), seen.own_pods(COMPONENT_PREPARE, number))
    plan.skip_remaining_steps()


def _is_prepared(seen: Observation, status: Status) -> bool:
    return is_true(status.conditions, "Prepared") and status.preparation.fingerprint == seen.fingerprint


def _is_superseded(seen: Observation, plan: Plan, job: ChildJob | None, pods: tuple[ChildPod, ...]) -> bool:
    """Return whether a try prepares for a manifest that has been edited since, and remember that in the status."""
    if seen.pods_changed(job) and not any(pod.started_at for pod in pods):
        plan.update_preparation(fingerprint="")
    return plan.status.preparation.fingerprint != seen.fingerprint


def _watch_try(seen: Observation, plan: Plan, job: ChildJob | None, pods: tuple[ChildPod, ...]) -> None:
    """Wait for the current try, or stop it if it prepares for a manifest that has been edited since."""
    plan.requeue_within(_REQUEUE_SECONDS)
    if _is_superseded(seen, plan, job, pods):
        plan.delete_unfinished([job] if job is not None else [])
        plan.condition("Prepared", False, reasons.DATA_CHANGED, _CHANGED_MESSAGE)
    elif plan.status.preparation.unreachable:
        return
    elif lost := unreachable_pods(pods):
        plan.wait("Prepared", node_lost(lost))
    elif any(pod.running for pod in pods):
        plan.condition("Prepared", False, reasons.PREPARING, _PREPARING_MESSAGE)
    else:
        if job is not None and may_lack_config(seen, job, pods):
            assert isinstance(seen.job, PoseTrainingJob)
            plan.restore.append(job_config(seen.job, COMPONENT_PREPARE, plan.status.preparation.tries))
        waiting = pods_refused(seen, job, pods) or why_waiting(job, pods, 1, seen.spec.storage, seen.ages)
        plan.wait("Prepared", waiting)


def _record_ending(seen: Observation, plan: Plan, ending: Ending, pods: tuple[ChildPod, ...]) -> None:
    policy = seen.spec.failure_policy
    action = action_of_rule(ending, policy)
    plan.update(preparation=_after(plan.status.preparation, ending, action, pods, to_timestamp(seen.now)))
    if ending.outcome == "Succeeded":
        plan.condition("Prepared", True, reasons.PREPARED, ending.message)
    elif (failure := _failure(plan.status.preparation, ending, action, policy)) is not None:
        plan.condition("Prepared", False, _reason(ending), ending.message)
        plan.fail(*failure)
    else:
        plan.condition("Prepared", False, _reason(ending), _with_next_try(plan.status.preparation, ending, policy))


def _failure(
    preparation: Preparation, ending: Ending, action: Action | None, policy: FailurePolicy
) -> tuple[Reason, str] | None:
    """Return the reason and the message with which the job fails, or None if another try follows."""
    if action == "Fail":
        return ending.reason, why_rule_fails(ending, policy)
    if action is None and ending.reason.final:
        return ending.reason, ending.message
    if preparation.failures >= policy.max_failures:
        return reasons.PREPARE_FAILED, f"{preparation.failures} tries failed, the last with: {ending.message}"
    return None


def _after(
    preparation: Preparation, ending: Ending, action: Action | None, pods: tuple[ChildPod, ...], now: str
) -> Preparation:
    """Return the account of the tries after one more.

    A preemption, and a failure that a rule ignores, is not counted as a failure but among the tries in a row that were
    not the job's fault. A suspension is counted nowhere.
    """
    counts = action != "Ignore" if action is not None else ending.outcome == "Failed"
    excused = action == "Ignore" or (_is_unreachable(ending) and not counts)
    said = [message for pod in pods if (message := termination_message(pod)) is not None]
    return preparation.model_copy(
        update={
            "end_time": now,
            "failures": preparation.failures + counts,
            "unreachable": preparation.unreachable + 1 if excused else 0,
            "warnings": [text for message in said for text in message.warnings][:_MAX_WARNINGS],
        }
    )


def _is_unreachable(ending: Ending) -> bool:
    return ending.outcome == "Preempted" and ending.reason != reasons.SUSPENDED


def _reason(ending: Ending) -> Reason:
    return reasons.PREPARE_FAILED if ending.outcome == "Failed" else ending.reason


def _with_next_try(preparation: Preparation, ending: Ending, policy: FailurePolicy) -> str:
    if ending.reason == reasons.SUSPENDED:
        return f"{ending.message}; the data are prepared when the job is resumed"
    seconds = seconds_before_next_try(preparation, policy)
    why = ending.message.rstrip(".")
    return f"{why}; the next try follows after about {seconds:.0f} s, and later ones after longer pauses"


def _start_try(seen: Observation, plan: Plan) -> None:
    """Create the next try, once its pause is over and nothing blocks it."""
    preparation, wanted = plan.status.preparation, seen.fingerprint
    if preparation.fingerprint not in {"", wanted}:
        plan.update_preparation(failures=0, unreachable=0, warnings=[])
        plan.condition("Prepared", False, reasons.DATA_CHANGED, _CHANGED_MESSAGE)
    pause = seconds_before_next_try(plan.status.preparation, seen.spec.failure_policy)
    pause = with_jitter(pause, seen.uid, preparation.tries)
    left = pause - seen.ages.since(preparation.end_time) if preparation.end_time else 0.0
    if left > 0:
        plan.requeue_within(left)
    elif (blocked := what_blocks_creation(seen)) is not None:
        plan.wait("Prepared", blocked)
    else:
        _create_try(seen, plan, preparation.tries + 1, wanted)


def _create_try(seen: Observation, plan: Plan, number: int, wanted: str) -> None:
    assert isinstance(seen.job, PoseTrainingJob)
    plan.create.append(job_config(seen.job, COMPONENT_PREPARE, number))
    plan.create.append(prepare_job(seen.job, number, wanted, seen.spec_parts, seen.settings))
    if (old := number_to_delete(number)) is not None:
        plan.delete.append(Reference("ConfigMap", prepare_name(seen.name, old)))
        if (job := seen.prepare_job(old)) is not None:
            plan.delete_job(job)
    plan.update_preparation(tries=number, end_time=None, fingerprint=wanted)
    if not plan.status.preparation.unreachable:
        plan.condition("Prepared", False, reasons.PREPARING, _PREPARING_MESSAGE)
    plan.requeue_within(_REQUEUE_SECONDS)
