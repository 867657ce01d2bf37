"""Short looks at plans."""

from dataclasses import replace

from posefleet_operator.plan import Plan, find_condition
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder


def kinds(plan: Plan) -> list[tuple[str, str]]:
    """Kind and name of what is to be created."""
    return [(manifest["kind"], manifest["metadata"]["name"]) for manifest in plan.create]


def deletions(plan: Plan) -> list[tuple[str, str]]:
    """Kind and name of what is to be deleted."""
    return [(reference.kind, reference.name) for reference in plan.delete]


def reasons(plan: Plan) -> list[str]:
    """The reasons of the events to be recorded."""
    return [event.reason.name for event in plan.events]


def condition_of(plan: Plan, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    condition = find_condition(plan.status.conditions, kind)
    assert condition is not None
    return condition.status, condition.reason


def message_of(plan: Plan, kind: str) -> str:
    """Of a condition."""
    condition = find_condition(plan.status.conditions, kind)
    assert condition is not None
    return condition.message


def reconciled(job: JobBuilder) -> JobBuilder:
    """The job with the status of its next plan."""
    return replace(job, status=reconcile(job.seen()).status)
