"""The steps for child Jobs that the status does not know, or no longer needs: adopt them or delete them.

An operator may be killed between creating a Job and writing the status. The name of such a Job says that it is the
next one, so it is adopted instead of being created again.
"""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE, attempt_logs
from posefleet_api.status import Attempt
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan


def adopt(seen: Observation, plan: Plan) -> None:
    """Write child Jobs into the status that exist and are not in it yet."""
    for job in seen.own_jobs(COMPONENT_PREPARE):
        if job.identity.number > plan.status.preparation.tries:
            plan.update_preparation(tries=job.identity.number, end_time=None, fingerprint=job.fingerprint)
    for job in seen.own_jobs(COMPONENT_ATTEMPT):
        if job.identity.number > (plan.status.current_attempt or 0):
            if job.fingerprint in {"", seen.fingerprint}:
                _adopt_attempt(seen, plan, job)
            else:
                # The author has changed the manifest since, which was still allowed.
                plan.delete_job(job)


def delete_superseded(seen: Observation, plan: Plan) -> None:
    """Delete the Jobs of attempts that have an outcome but still run."""
    attempt = running_attempt(plan.status)
    jobs = seen.own_jobs(COMPONENT_ATTEMPT)
    plan.delete_unfinished(job for job in jobs if attempt is None or job.identity.number != attempt.number)


def _adopt_attempt(seen: Observation, plan: Plan, job: ChildJob) -> None:
    number, started = job.identity.number, to_timestamp(job.created or seen.now)
    logs = attempt_logs(seen.spec.output.uri, number)
    plan.add_attempt(Attempt(number=number, start_time=started, gpus=job.gpus, logs=logs))
