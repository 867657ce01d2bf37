"""The last step: what the whole status amounts to."""

from posefleet_api.job import PoseTrainingJob
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan
from posefleet_operator.policies.phases import phase_of
from posefleet_operator.policies.usage import queue_seconds


def summarize(seen: Observation, plan: Plan) -> None:
    """Set the phase, the GPUs and the time in the queue."""
    status = plan.status
    attempt = running_attempt(status)
    if status.completion_time is None:
        suspended = isinstance(seen.job, PoseTrainingJob) and seen.spec.suspend
        plan.update(phase=phase_of(status, attempt is not None, suspended))
    if attempt is not None:
        plan.update(gpus=attempt.gpus)
    elif status.completion_time is None and isinstance(seen.job, PoseTrainingJob):
        plan.update(gpus=seen.spec.resources.gpus)
    if attempt is None or attempt.running_time is not None:
        # Of a waiting attempt the seconds would change at every look, and each look would be a write.
        plan.update(queue_seconds=queue_seconds(status, seen.now))
