"""The steps for child Jobs that the status does not know, or no longer needs: adopt them or delete them.

An operator may be killed between creating the Job of a try of the preparation and writing the status. The name of such
a Job says that it is the next one, so it is adopted instead of being created again. An attempt is in the status before
its Job is created, so the Job of any other attempt is superseded.
"""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan


def adopt(seen: Observation, plan: Plan) -> None:
    """Write tries of the preparation into the status whose Jobs exist and that are not in it yet."""
    for job in seen.own_jobs(COMPONENT_PREPARE):
        if job.identity.number > plan.status.preparation.tries:
            plan.update_preparation(tries=job.identity.number, end_time=None, fingerprint=job.fingerprint)


def delete_superseded(seen: Observation, plan: Plan) -> None:
    """Delete the Jobs of attempts that have an outcome, or that the status does not know, but still run."""
    attempt = running_attempt(plan.status)
    kept = seen.attempt_job(attempt.number) if attempt is not None else None
    plan.delete_unfinished(job for job in seen.own_jobs(COMPONENT_ATTEMPT) if job != kept)
