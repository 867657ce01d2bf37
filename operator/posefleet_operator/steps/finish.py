"""The two ends of a job."""

from posefleet_operator.plan import Plan
from posefleet_operator.policies.progress import without_eta
from posefleet_operator.timestamps import to_timestamp


def succeed(plan: Plan, message: str) -> None:
    """End the job well."""
    plan.update(phase="Succeeded", completion_time=to_timestamp(plan.now), progress=without_eta(plan.status.progress))
    plan.condition("Running", False, "Succeeded", message)
    plan.condition("Succeeded", True, "Completed", message)


def fail(plan: Plan, reason: str, message: str) -> None:
    """End the job for good; ``message`` says why, and what its author can do."""
    plan.update(phase="Failed", completion_time=to_timestamp(plan.now), progress=without_eta(plan.status.progress))
    plan.condition("Running", False, reason, message)
    plan.condition("Failed", True, reason, message)
