"""The way of a job, as a list."""

from collections.abc import Callable

from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan
from posefleet_operator.policies.turns import turns
from posefleet_operator.steps.adoption import adopt
from posefleet_operator.steps.attempts import listen, run, stop_former
from posefleet_operator.steps.beginning import greet, refuse, rest, start_over
from posefleet_operator.steps.ending import conclude, deadline, reshape, stall, suspend
from posefleet_operator.steps.preparation import prepare
from posefleet_operator.steps.summary import summarize

STEPS: tuple[Callable[[Observation, Plan], None], ...] = (
    greet,
    start_over,
    rest,
    refuse,
    adopt,
    listen,
    conclude,
    deadline,
    suspend,
    reshape,
    stop_former,
    prepare,
    run,
    stall,
)


def reconcile(seen: Observation) -> Plan:
    """What is to be done about a job; a pure function, so that doing it twice, or late, does no harm.

    Raises:
        UnreadableStatus: for a status that a newer operator wrote.
        UnreadableManifest: for a job that has begun and whose manifest a newer CRD has added to.
    """
    plan = Plan(seen.status, seen.now, seen.generation)
    if seen.deleting:
        return plan
    for step in STEPS:
        step(seen, plan)
        if plan.settled:
            break
    summarize(seen, plan)
    plan.events = turns(seen.status, plan.status)
    return plan
