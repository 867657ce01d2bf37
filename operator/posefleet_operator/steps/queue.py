"""The steps of a job that trains by the leave of Kueue: its place in the line, and its priority.

Kueue orders a queue by the age of the Workloads in it, and each Job has a Workload of its own. A new Job would stand at
the end of the line. The attempt after a preemption therefore takes over the Job of the one before. See
docs/design/kueue.md.
"""

from posefleet_api.constants import COMPONENT_ATTEMPT, attempt_logs
from posefleet_api.job import PoseTrainingJob
from posefleet_api.status import Attempt
from posefleet_operator import reasons
from posefleet_operator.builders.attempt_job import hand_over
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan, PriorityBoost, Release
from posefleet_operator.policies.attempts import history_for_trainer
from posefleet_operator.policies.exit_outcomes import Ending
from posefleet_operator.policies.priority_boost import boost_of, seconds_lost, seconds_until_change
from posefleet_operator.policies.queue import keeps_its_place, rounded_position
from posefleet_operator.policies.waiting import WAITING_FOR_QUEUE
from posefleet_operator.steps.attempt import delete_old_attempt
from posefleet_operator.steps.attempt_end import end_attempt


def go_back_in_line(seen: Observation, plan: Plan) -> None:
    """Have the next attempt take over the Job of one that Kueue has preempted, once the last of its pods is gone.

    The number of the next attempt is written into the ConfigMap from which the next pods of the Job read it, and then
    on the Job, at a version at which it is suspended. Only then does the status say that one attempt has ended and the
    next has begun, in one write. Whatever Kueue and this or another operator do in between, all of it can go on from
    the mark on the Job.
    """
    attempt = running_attempt(plan.status)
    job = seen.attempt_job(attempt.number) if attempt is not None else None
    if attempt is None or job is None:
        return
    if job.taken_over_by > attempt.number:
        _take_over(seen, plan, job)
    elif keeps_its_place(seen, attempt, job):
        if all(pod.gone for pod in seen.pods_of(job)):
            _hand_over(seen, plan, job, attempt.number + 1)
        plan.wait("Running", WAITING_FOR_QUEUE)
        plan.skip_remaining_steps()


def boost_priority(seen: Observation, plan: Plan) -> None:
    """Have Kueue preempt first what loses least, if the operator is told to."""
    attempt, step = running_attempt(plan.status), seen.settings.priority_boost_seconds
    job = seen.attempt_job(attempt.number) if attempt is not None else None
    if attempt is None or attempt.job_uid is None or step <= 0 or job is None or not job.queue:
        return
    lost = seconds_lost(plan.status, seen.ages)
    boost = boost_of(lost, step) if lost is not None else 0
    if boost != (attempt.priority_boost or 0):
        plan.boost = PriorityBoost(attempt.job_uid, boost)
        plan.update_attempt(priority_boost=boost or None)
    if lost is not None and (left := seconds_until_change(lost, step)) is not None:
        plan.requeue_within(left)


def show_position(seen: Observation, plan: Plan) -> None:
    """Show the place in the queue of a job that waits there. This runs after all other steps."""
    known = seen.queue_position if plan.status.phase == "Queued" else None
    plan.update(queue_position=rounded_position(known) if known is not None else None)


def _hand_over(seen: Observation, plan: Plan, job: ChildJob, number: int) -> None:
    assert isinstance(seen.job, PoseTrainingJob)
    after = Plan(plan.status, plan.now, plan.generation)
    _end_and_begin(seen, after, job)
    known = seen.job.model_copy(update={"status": history_for_trainer(after.status)})
    identity = job.identity
    plan.create.append(job_config(known, COMPONENT_ATTEMPT, number, name=identity.name))
    plan.release.append(Release(identity.name, identity.uid, identity.version, hand_over(number)))
    plan.requeue_within(0)


def _take_over(seen: Observation, plan: Plan, job: ChildJob) -> None:
    """Record the end of an attempt and the next one, which waits in the queue without a pause before it."""
    _end_and_begin(seen, plan, job)
    if plan.status.completion_time is None:
        delete_old_attempt(seen, plan, kept=job.identity.name)
        plan.wait("Running", WAITING_FOR_QUEUE)


def _end_and_begin(seen: Observation, plan: Plan, job: ChildJob) -> None:
    end_attempt(seen, plan, Ending.of(reasons.QUEUE_PREEMPTED, "Kueue gave the nodes to another job"))
    if plan.status.completion_time is not None:
        return
    former = plan.status.attempts[-1]
    number = former.number + 1
    plan.add_attempt(
        Attempt(
            number=number,
            job_uid=job.identity.uid,
            start_time=to_timestamp(seen.now),
            gpus=job.gpus,
            priority_boost=former.priority_boost,
            logs=attempt_logs(seen.spec.output.uri, number),
        )
    )
