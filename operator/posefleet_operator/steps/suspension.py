"""The step that suspends and resumes a job."""

from collections.abc import Sequence

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.status import Status
from posefleet_operator import reasons
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.observation import Observation, current_try, running_attempt
from posefleet_operator.plan import Plan, find_condition
from posefleet_operator.policies.exit_outcomes import Ending
from posefleet_operator.policies.lost_nodes import is_given_up, overdue_pods, waited_for
from posefleet_operator.policies.waiting import waiting_for_pods
from posefleet_operator.steps.attempt_end import end_attempt

_SUSPENDING_SECONDS = 30.0


def suspend(seen: Observation, plan: Plan) -> None:
    """Release the nodes while ``spec.suspend`` is true. Pods that train write a checkpoint before they end."""
    if not seen.spec.suspend:
        _resume(plan)
        return
    jobs = (*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE))
    plan.delete_unfinished(jobs)
    own = [pod for pod in seen.pods if pod.identity.owner_uid == seen.uid]
    unfinished, live = waited_for(jobs, own, seen.ages)
    if not unfinished and not live and _is_stuck_on_lost_node(seen, plan):
        end_attempt(seen, plan, Ending.of(reasons.SUSPENDED, "stopped by spec.suspend on a node that does not answer"))
        return
    if unfinished or live or _runs(plan.status):
        late = overdue_pods(live, seen.ages)
        trains = current_try(plan.status) is None
        plan.condition("Suspended", False, reasons.SUSPENDING, _suspending_message(late, trains))
        plan.requeue_within(_SUSPENDING_SECONDS)
    else:
        plan.condition("Suspended", True, reasons.SUSPENDED, _suspended_message(plan.status))
        plan.condition("Running", False, reasons.SUSPENDED, "spec.suspend is true")
        plan.clear_estimates()
    plan.skip_remaining_steps()


def _is_stuck_on_lost_node(seen: Observation, plan: Plan) -> bool:
    given_up = any(is_given_up(pod, seen.ages) for pod in seen.pods)
    return given_up and running_attempt(plan.status) is not None


def _resume(plan: Plan) -> None:
    """Report that the job goes on, unless a gang or a try is still ending, whose outcome depends on the condition."""
    condition = find_condition(plan.status.conditions, "Suspended")
    if condition is None or condition.reason in {reasons.RESUMED.name, reasons.NOT_SUSPENDED.name}:
        return
    if condition.reason == reasons.SUSPENDING.name and _runs(plan.status):
        return
    plan.condition("Suspended", False, reasons.RESUMED, "spec.suspend is false")


def _runs(status: Status) -> bool:
    """Return whether there is an attempt or a try of the preparation that has not ended."""
    return running_attempt(status) is not None or current_try(status) is not None


def _suspended_message(status: Status) -> str:
    resumes = " from the last checkpoint" if status.last_checkpoint is not None else ""
    return f"set spec.suspend to false to go on{resumes}"


def _suspending_message(late: Sequence[ChildPod], trains: bool) -> str:
    if not late:
        return "the pods are asked to write a checkpoint and to end" if trains else "the preparation is being stopped"
    return waiting_for_pods([f"pod {pod.identity.name}" for pod in late], late).message
