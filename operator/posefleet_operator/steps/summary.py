"""The last step: what the whole status amounts to."""

from posefleet_api.job import PoseTrainingJob
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan
from posefleet_operator.policies.phases import phase_of


def summarize(seen: Observation, plan: Plan) -> None:
    """Set the phase and the GPUs."""
    status = plan.status
    attempt = running_attempt(status)
    if status.completion_time is None:
        suspended = isinstance(seen.job, PoseTrainingJob) and seen.spec.suspend
        plan.update(phase=phase_of(status, attempt is not None, suspended))
    if attempt is not None:
        plan.update(gpus=attempt.gpus)
    elif status.completion_time is None and isinstance(seen.job, PoseTrainingJob):
        plan.update(gpus=seen.spec.resources.gpus)
