"""The step for a job whose status this version of the operator cannot read or cannot write.

Another version has written it, or has installed another CRD. What runs of the job goes on. Nothing is started, and
nothing of the status is changed but the notice, because this version does not know what the rest means.
"""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.job import PoseTrainingJob
from posefleet_operator import reasons
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, is_true
from posefleet_operator.policies.lifecycle import seconds_until_deadline


def stop_only(seen: Observation, plan: Plan) -> None:
    """Say that the job is not understood, and stop its pods if it is suspended or its deadline has passed."""
    left = None
    if isinstance(seen.job, PoseTrainingJob):
        left = seconds_until_deadline(seen.ages.since(plan.status.start_time), seen.spec.active_deadline_seconds)
        if seen.spec.suspend or (left is not None and left <= 0):
            plan.delete_unfinished((*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE)))
    running = is_true(plan.status.conditions, "Running")
    message = f"{seen.not_understood}; {reasons.NOT_UNDERSTOOD.remedy}"
    plan.condition("Running", running, reasons.NOT_UNDERSTOOD, message)
    plan.skip_remaining_steps(left if left is not None and left > 0 else None)
