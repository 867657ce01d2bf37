"""What must hold before a child Job is created."""

from posefleet_api.constants import COMPONENT_ATTEMPT
from posefleet_api.status import ConditionType
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan
from posefleet_operator.policies.waiting import overdue, why_not_ended

_RETRY_REFUSED_SECONDS = 30.0


def may_create(seen: Observation, plan: Plan, kind: ConditionType) -> bool:
    """Whether nothing is in the way of a new child Job; if something is, condition ``kind`` says what.

    Two gangs must never write into the same output, so whatever may still run of a former one is waited for, on
    a lost node, too.
    """
    if seen.refusal:
        remedy = "correct spec.podTemplate or spec.resources, or ask who runs the cluster"
        plan.condition(kind, False, "Refused", f"{seen.refusal}; {remedy}")
        plan.wake(_RETRY_REFUSED_SECONDS)
        return False
    if seen.incomplete:
        plan.condition(kind, False, "Incomplete", f"{seen.incomplete} (the operator's trainer defaults have changed)")
        return False
    if blockers := (*seen.strangers(), *_former_gang(seen)):
        waiting = why_not_ended(blockers, overdue(seen.pods, seen.now))
        plan.condition(kind, False, waiting.reason, waiting.message)
        plan.wake(waiting.look_again_seconds)
        return False
    return True


def _former_gang(seen: Observation) -> tuple[str, ...]:
    jobs = (f"Job {j.identity.name}" for j in seen.own_jobs(COMPONENT_ATTEMPT) if not j.finished)
    pods = (p for p in seen.pods if p.identity.component == COMPONENT_ATTEMPT and p.identity.owner_uid == seen.uid)
    return (*jobs, *(f"pod {pod.identity.name}" for pod in pods if pod.active))
