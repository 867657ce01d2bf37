"""Take in children that an operator created just before it was killed, when their names say that they are next."""

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.places import attempt_logs
from posefleet_api.status import Attempt
from posefleet_operator.children import ChildJob
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, Reference
from posefleet_operator.timestamps import to_timestamp


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
                plan.delete.append(Reference("Job", job.identity.name, job.identity.uid))


def _adopt_try(plan: Plan, job: ChildJob) -> None:
    changes = {"tries": job.identity.number, "end_time": None, "fingerprint": job.fingerprint}
    plan.update(preparation=plan.status.preparation.model_copy(update=changes))


def _adopt_attempt(seen: Observation, plan: Plan, job: ChildJob) -> None:
    number, started = job.identity.number, to_timestamp(job.created or seen.now)
    logs = attempt_logs(seen.spec.output.uri, number)
    plan.add_attempt(Attempt(number=number, start_time=started, gpus=job.gpus, logs=logs))
