"""The first steps: take note of the job, refuse what cannot run, and leave finished jobs in peace."""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.job import InvalidManifest
from posefleet_api.status import Preparation, Status
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, Reference
from posefleet_operator.policies.cleanup import seconds_to_live
from posefleet_operator.policies.conditions import find_condition
from posefleet_operator.steps.finish import fail
from posefleet_operator.timestamps import to_timestamp


def greet(seen: Observation, plan: Plan) -> None:
    """Note which spec is spoken of, and when the job was seen first."""
    plan.update(
        observed_generation=seen.generation,
        start_time=plan.status.start_time or to_timestamp(seen.now),
    )


def start_over(seen: Observation, plan: Plan) -> None:
    """Give a job that was refused for its data or its manifest another life when its author has corrected it.

    What was refused before it began may have been the cluster's fault, such as a store that is there only now.
    """
    if not seen.finished or plan.status.attempts or isinstance(seen.job, InvalidManifest):
        return
    failed = find_condition(plan.status.conditions, "Failed")
    tries = plan.status.preparation.tries
    edited = not tries or seen.generation != seen.status.observed_generation
    corrected = edited and plan.status.preparation.fingerprint != seen.fingerprint
    if failed is None or failed.reason != "InvalidInput" or not corrected:
        return
    plan.status = Status(
        observed_generation=seen.generation,
        start_time=to_timestamp(seen.now),
        preparation=Preparation(tries=tries, end_time=to_timestamp(seen.now) if tries else None),
    )


def rest(seen: Observation, plan: Plan) -> None:
    """Keep a finished job as it is: only stop what still runs, and delete it when its time has come."""
    if plan.status.completion_time is None:
        return
    for job in (*seen.own_jobs(COMPONENT_ATTEMPT), *seen.own_jobs(COMPONENT_PREPARE)):
        if job.unfinished:
            plan.delete.append(Reference("Job", job.identity.name, job.identity.uid))
    left = seconds_to_live(plan.status.completion_time, seen.ttl_seconds, seen.now)
    if left == 0:
        plan.delete.append(Reference("PoseTrainingJob", seen.name, seen.uid))
    plan.settle(left or None)


def refuse(seen: Observation, plan: Plan) -> None:
    """Fail a job whose manifest is wrong in a way that the API server did not see."""
    if isinstance(seen.job, InvalidManifest):
        fail(plan, "InvalidInput", str(seen.job))
        plan.settle(0)
