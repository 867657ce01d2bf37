"""Take in children that an operator created just before it was killed, when their names say that they are next."""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE, attempt_logs
from posefleet_api.status import Attempt
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan


def adopt(seen: Observation, plan: Plan) -> None:
    """Write into the status what exists but was not written down."""
    for job in seen.own_jobs(COMPONENT_PREPARE):
        if job.identity.number > plan.status.preparation.tries:
            _adopt_try(plan, job)
    for job in seen.own_jobs(COMPONENT_ATTEMPT):
        if job.identity.number > (plan.status.attempt or 0):
            if job.fingerprint in {"", seen.fingerprint}:
                _adopt_attempt(seen, plan, job)
            else:
                # Its author has changed the manifest since, which was free to be changed.
                plan.delete_job(job)


def _adopt_try(plan: Plan, job: ChildJob) -> None:
    changes = {"tries": job.identity.number, "end_time": None, "fingerprint": job.fingerprint}
    plan.update(preparation=plan.status.preparation.model_copy(update=changes))


def _adopt_attempt(seen: Observation, plan: Plan, job: ChildJob) -> None:
    number, started = job.identity.number, to_timestamp(job.created or seen.now)
    logs = attempt_logs(seen.spec.output.uri, number)
    plan.add_attempt(Attempt(number=number, start_time=started, gpus=job.gpus, logs=logs))


def delete_superseded(seen: Observation, plan: Plan) -> None:
    """Delete the Jobs of attempts that have an outcome but still run."""
    attempt = running_attempt(plan.status)
    jobs = seen.own_jobs(COMPONENT_ATTEMPT)
    plan.delete_unfinished(job for job in jobs if attempt is None or job.identity.number != attempt.number)
