"""The steps that run attempts: start a gang, watch it start, record its progress, and pause before the next one.

A gang starts in four reconciles, each of which builds on what the one before has written. The attempt is recorded in
the status; its objects are created, the Job suspended; the uid of the Job is recorded; the Job is released. Each write
of the status proves that no other operator has gone on with the job meanwhile, so that a leader that was paused for
any time cannot start a second gang. See docs/design/fencing.md.
"""

from posefleet_api.constants import COMPONENT_ATTEMPT, attempt_logs
from posefleet_api.job import PoseTrainingJob
from posefleet_api.status import Attempt, Status
from posefleet_operator import reasons
from posefleet_operator.builders.attempt_job import attempt_job, attempt_service, release
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Manifest, attempt_name, from_timestamp, to_timestamp
from posefleet_operator.observation import Observation, newest, running_attempt
from posefleet_operator.plan import Plan, Reference, Release
from posefleet_operator.policies.attempts import (
    attempts_since_reopened,
    history_for_trainer,
    queue_seconds,
    seconds_before_next,
    with_jitter,
)
from posefleet_operator.policies.exit_outcomes import termination_message
from posefleet_operator.policies.failures import nodes_to_avoid
from posefleet_operator.policies.lifecycle import number_to_delete
from posefleet_operator.policies.lost_nodes import node_lost, unreachable_pods
from posefleet_operator.policies.progress import after_report, after_termination
from posefleet_operator.policies.waiting import (
    may_lack_config,
    not_understood_message,
    pods_refused,
    what_blocks_creation,
    why_waiting,
)

_REQUEUE_SECONDS = 30.0


def record_progress(seen: Observation, plan: Plan) -> None:
    """Record what the newest attempt's pods report, and where and since when they run."""
    attempt = running_attempt(plan.status)
    if attempt is None:
        return
    job = seen.attempt_job(attempt.number)
    if job is not None and attempt.job_uid is None:
        plan.update_attempt(job_uid=job.identity.uid)
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    _record_gang(plan, plan.status.attempts[-1], pods, seen.gang_size(attempt))
    if seen.report is not None:
        plan.status = after_report(plan.status, seen.report)
    # Rank 0 comes last, because its message has precedence.
    for pod in sorted(pods, key=lambda pod: -pod.rank):
        if (said := termination_message(pod)) is not None:
            plan.status = after_termination(plan.status, said)


def run_attempts(seen: Observation, plan: Plan) -> None:
    """Start or watch the current attempt, or record the next one when its time has come and nothing blocks it."""
    attempt = running_attempt(plan.status)
    if attempt is not None:
        job = seen.attempt_job(attempt.number)
        if attempt.job_uid is not None:
            _watch(seen, plan, attempt, job)
        elif (blocked := what_blocks_creation(seen)) is not None:
            plan.wait("Running", blocked)
        else:
            _create(seen, plan, attempt)
        return
    if (left := _seconds_to_wait(seen, plan.status)) > 0:
        _back_off(plan, left)
    elif (blocked := what_blocks_creation(seen)) is not None:
        plan.wait("Running", blocked)
    else:
        _record(seen, plan, (plan.status.current_attempt or 0) + 1)


def delete_old_attempt(seen: Observation, plan: Plan, kept: str = "") -> None:
    """Delete the objects of the attempt that the newest one pushes out, unless its Job is ``kept`` for the newest."""
    if (old := number_to_delete(plan.status.current_attempt or 0)) is None:
        return
    job = seen.attempt_job(old)
    name = job.identity.name if job is not None else attempt_name(seen.name, old)
    if name == kept:
        return
    plan.delete += [Reference("ConfigMap", name), Reference("Service", name)]
    if job is not None:
        plan.delete_job(job)


def _record_gang(plan: Plan, attempt: Attempt, pods: tuple[ChildPod, ...], size: int) -> None:
    """Record the nodes of a gang, and when the last of its pods started."""
    pods = tuple(pod for pod in pods if not pod.gone)
    if len(pods) < size:
        return
    if all(pod.node for pod in pods):
        plan.update_attempt(nodes=[pod.node for pod in pods])
    started = [pod.started_at for pod in pods if pod.started_at is not None]
    if attempt.running_time is None and len(started) >= size:
        plan.update_attempt(running_time=to_timestamp(max(started)))
        waited = queue_seconds(plan.status.attempts[-1])
        plan.update(queue_seconds=plan.status.queue_seconds + round(waited))


def _watch(seen: Observation, plan: Plan, attempt: Attempt, job: ChildJob | None) -> None:
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    if attempt.running_time is not None:
        _watch_running(seen, plan, attempt, pods)
    elif job is not None and job.held:
        _release(seen, plan, job)
    else:
        if job is not None and may_lack_config(seen, job, pods):
            plan.restore.append(_config(seen, plan, attempt.number, job.identity.name))
        size = seen.gang_size(attempt)
        waiting = pods_refused(seen, job, pods) or why_waiting(job, pods, size, seen.spec.storage, seen.ages)
        plan.wait("Running", waiting)


def _watch_running(seen: Observation, plan: Plan, attempt: Attempt, pods: tuple[ChildPod, ...]) -> None:
    if (lost := unreachable_pods(pods)) and not seen.is_heard(attempt):
        plan.wait("Running", node_lost(lost))
    elif seen.unknown_fields:
        plan.condition("Running", True, reasons.NOT_UNDERSTOOD, not_understood_message(seen))
    else:
        plan.condition("Running", True, reasons.ALL_PODS_RUN, f"attempt {attempt.number} runs")


def _seconds_to_wait(seen: Observation, status: Status) -> float:
    """Return how many seconds of the pause after the last attempt are left."""
    last = newest(status)
    if last is None:
        return 0.0
    pause = seconds_before_next(attempts_since_reopened(status), seen.spec.failure_policy, status.last_checkpoint)
    return with_jitter(pause, seen.uid, last.number) - seen.ages.since(last.end_time)


def _back_off(plan: Plan, seconds: float) -> None:
    last = plan.status.attempts[-1]
    ended = from_timestamp(last.end_time) or plan.now
    after = f"attempt {last.number} ended at {to_timestamp(ended)} with {last.reason}: {last.message}"
    plan.condition("Running", False, reasons.BACKING_OFF, f"the next attempt follows after a pause; {after}")
    plan.requeue_within(seconds)


def _record(seen: Observation, plan: Plan, number: int) -> None:
    """Record the next attempt, whose objects the next reconcile creates, and delete those of one no longer kept."""
    logs = attempt_logs(seen.spec.output.uri, number)
    started = to_timestamp(seen.now)
    plan.add_attempt(Attempt(number=number, start_time=started, gpus=seen.spec.resources.gpus, logs=logs))
    delete_old_attempt(seen, plan)
    plan.condition("Running", False, reasons.PODS_STARTING, f"attempt {number} is being created")
    plan.requeue_within(0)


def _create(seen: Observation, plan: Plan, attempt: Attempt) -> None:
    """Create the objects of a recorded attempt. The gang follows the spec of this moment."""
    assert isinstance(seen.job, PoseTrainingJob)
    number = attempt.number
    plan.create += [
        _config(seen, plan, number),
        attempt_service(seen.job, number),
        attempt_job(
            seen.job,
            number,
            seen.fingerprint,
            seen.spec_parts,
            seen.settings,
            avoided_nodes=nodes_to_avoid(plan.status.attempts),
        ),
    ]
    plan.update_attempt(gpus=seen.spec.resources.gpus)
    plan.condition("Running", False, reasons.PODS_STARTING, f"attempt {number} is being created")
    plan.requeue_within(0)


def _config(seen: Observation, plan: Plan, number: int, name: str = "") -> Manifest:
    """Return the ConfigMap of an attempt. It is the same however often it is built.

    ``name`` is that of an earlier attempt, whose Job this one has taken over.
    """
    assert isinstance(seen.job, PoseTrainingJob)
    job = seen.job.model_copy(update={"status": history_for_trainer(plan.status)})
    return job_config(job, COMPONENT_ATTEMPT, number, name=name)


def _release(seen: Observation, plan: Plan, job: ChildJob) -> None:
    """Let the Job of an attempt start, once the status that was read names it."""
    before = running_attempt(seen.status)
    if before is not None and before.job_uid == job.identity.uid:
        identity = job.identity
        plan.release.append(Release(identity.name, identity.uid, identity.version, release(seen.spec.queue)))
    plan.requeue_within(0 if not plan.release else _REQUEUE_SECONDS)
