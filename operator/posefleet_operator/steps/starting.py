"""What must hold before a child Job is created."""

from posefleet_api.constants import COMPONENT_ATTEMPT, TERMINATION_GRACE_SECONDS
from posefleet_api.status import ConditionType
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan

_LOOK_AGAIN_SECONDS = 5.0
_RETRY_REFUSED_SECONDS = 30.0
_OVERDUE_SECONDS = TERMINATION_GRACE_SECONDS + 60


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
        names = ", ".join(blockers[:4])
        reason, remedy = "StoppingOldPods", "the next ones start when these have ended"
        if _overdue(seen):
            reason = "WaitingForOldPods"
            remedy = "if their node is gone for good, delete them with `kubectl delete --force`"
        plan.condition(kind, False, reason, f"waiting for {names}; {remedy}")
        plan.wake(_LOOK_AGAIN_SECONDS)
        return False
    return True


def _former_gang(seen: Observation) -> tuple[str, ...]:
    jobs = (f"Job {j.identity.name}" for j in seen.own_jobs(COMPONENT_ATTEMPT) if not j.finished)
    pods = (p for p in seen.pods if p.identity.component == COMPONENT_ATTEMPT and p.identity.owner_uid == seen.uid)
    return (*jobs, *(f"pod {pod.identity.name}" for pod in pods if pod.active))


def _overdue(seen: Observation) -> bool:
    deaths = (pod.identity.deleted_at for pod in seen.pods if pod.active)
    return any(d is not None and (seen.now - d).total_seconds() > _OVERDUE_SECONDS for d in deaths)
