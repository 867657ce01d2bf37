"""How attempts end: by themselves, by the deadline, by ``spec.suspend``, or because they got nowhere."""

from collections.abc import Sequence

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan, find_condition
from posefleet_operator.policies.waiting import overdue_pods, waiting_for_pods

_SUSPENDING_SECONDS = 30.0


def suspend(seen: Observation, plan: Plan) -> None:
    """Give the nodes back while ``spec.suspend`` is true, after a checkpoint."""
    if not seen.spec.suspend:
        _resume(plan)
        return
    jobs = (*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE))
    plan.delete_unfinished(jobs)
    live = [pod for pod in seen.pods if pod.identity.owner_uid == seen.uid and pod.active]
    if live or running_attempt(plan.status) is not None or any(not job.finished for job in jobs):
        plan.condition("Suspended", False, "Suspending", _why_suspending(overdue_pods(live, seen.now)))
        plan.requeue_within(_SUSPENDING_SECONDS)
    else:
        plan.condition("Suspended", True, "Suspended", "set spec.suspend to false to go on from the last checkpoint")
        plan.condition("Running", False, "Suspended", "spec.suspend is true")
        plan.clear_estimates()
    plan.skip_remaining_steps()


def _resume(plan: Plan) -> None:
    """Say that the job goes on; while its gang still ends, the condition keeps saying why."""
    condition = find_condition(plan.status.conditions, "Suspended")
    stopping = condition is not None and condition.reason == "Suspending" and running_attempt(plan.status) is not None
    if condition is not None and condition.reason != "Resumed" and not stopping:
        plan.condition("Suspended", False, "Resumed", "spec.suspend is false")


def _why_suspending(late: Sequence[ChildPod]) -> str:
    if not late:
        return "the pods are asked to write a checkpoint and to end"
    return waiting_for_pods([f"pod {pod.identity.name}" for pod in late], late).message
