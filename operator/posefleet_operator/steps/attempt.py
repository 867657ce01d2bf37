"""The steps that run attempts: create a gang, watch it start, record its progress, and pause before the next one."""

from posefleet_api.constants import COMPONENT_ATTEMPT, attempt_logs
from posefleet_api.job import PoseTrainingJob
from posefleet_api.status import Attempt, Status
from posefleet_operator import reasons
from posefleet_operator.builders.attempt_job import attempt_job, attempt_service
from posefleet_operator.builders.names import attempt_name
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import from_timestamp, to_timestamp
from posefleet_operator.observation import Observation, newest, running_attempt
from posefleet_operator.plan import Plan, Reference
from posefleet_operator.policies.attempts import queue_seconds, seconds_before_next
from posefleet_operator.policies.exit_outcomes import termination_message
from posefleet_operator.policies.lifecycle import number_to_delete
from posefleet_operator.policies.lost_nodes import node_lost, unreachable_pods
from posefleet_operator.policies.progress import after_report, after_termination
from posefleet_operator.policies.waiting import what_blocks_creation, why_waiting

_REQUEUE_SECONDS = 30.0


def record_progress(seen: Observation, plan: Plan) -> None:
    """Record what the newest attempt's pods report, and where and since when they run."""
    attempt = running_attempt(plan.status)
    if attempt is None:
        return
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    _record_gang(plan, attempt, pods, seen.gang_size(attempt))
    if seen.report is not None:
        plan.status = after_report(plan.status, seen.report)
    # Rank 0 comes last, because its message has precedence.
    for pod in sorted(pods, key=lambda pod: -pod.rank):
        if (said := termination_message(pod)) is not None:
            plan.status = after_termination(plan.status, said)


def run_attempts(seen: Observation, plan: Plan) -> None:
    """Watch the current attempt start, or start the next one when its time has come and nothing blocks it."""
    attempt = running_attempt(plan.status)
    if attempt is not None:
        _watch(seen, plan, attempt)
        return
    last, policy = newest(plan.status), seen.spec.failure_policy
    left = 0.0
    if last is not None:
        left = seconds_before_next(plan.status.attempts, policy) - seen.ages.since(last.end_time)
    if left > 0:
        _back_off(plan, left)
    elif (blocked := what_blocks_creation(seen)) is not None:
        plan.wait("Running", blocked)
    else:
        _start(seen, plan, (plan.status.current_attempt or 0) + 1)


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


def _watch(seen: Observation, plan: Plan, attempt: Attempt) -> None:
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    if attempt.running_time is None:
        job = seen.attempt_job(attempt.number)
        plan.wait("Running", why_waiting(job, pods, seen.gang_size(attempt), seen.spec.storage, seen.ages))
    elif (lost := unreachable_pods(pods)) and not seen.is_heard(attempt):
        plan.wait("Running", node_lost(lost))
    else:
        plan.condition("Running", True, reasons.ALL_PODS_RUN, f"attempt {attempt.number} runs")


def _back_off(plan: Plan, seconds: float) -> None:
    last = plan.status.attempts[-1]
    ended = from_timestamp(last.end_time) or plan.now
    after = f"attempt {last.number} ended at {to_timestamp(ended)} with {last.reason}: {last.message}"
    plan.condition("Running", False, reasons.BACKING_OFF, f"the next attempt follows after a pause; {after}")
    plan.requeue_within(seconds)


def _start(seen: Observation, plan: Plan, number: int) -> None:
    """Create the objects of an attempt, and delete those of one that is no longer kept."""
    assert isinstance(seen.job, PoseTrainingJob)
    logs = attempt_logs(seen.spec.output.uri, number)
    started = to_timestamp(seen.now)
    plan.add_attempt(Attempt(number=number, start_time=started, gpus=seen.spec.resources.gpus, logs=logs))
    job = seen.job.model_copy(update={"status": _history_for_trainer(plan.status)})
    plan.apply += [
        job_config(job, COMPONENT_ATTEMPT, number),
        attempt_service(job, number),
        attempt_job(job, number, seen.fingerprint, seen.pod_fingerprint, seen.settings),
    ]
    if (old := number_to_delete(number)) is not None:
        name = attempt_name(seen.name, old)
        plan.delete += [Reference("ConfigMap", name), Reference("Service", name), Reference("Job", name)]
    plan.condition("Running", False, reasons.PODS_STARTING, f"attempt {number} has been created")
    plan.requeue_within(_REQUEUE_SECONDS)


def _history_for_trainer(status: Status) -> Status:
    """Return the past that the trainer needs for its report. It is the same however often it is built."""
    return Status(start_time=status.start_time, current_attempt=status.current_attempt, attempts=status.attempts[:-1])
