"""The attempts: one gang after another until one succeeds or the budget is used up."""

from posefleet_api.constants import COMPONENT_ATTEMPT, attempt_logs
from posefleet_api.job import PoseTrainingJob
from posefleet_api.status import Attempt, Status
from posefleet_operator.builders.attempt_job import attempt_job, attempt_service
from posefleet_operator.builders.names import attempt_name
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import from_timestamp, seconds_between, to_timestamp
from posefleet_operator.observation import Observation, newest, running_attempt
from posefleet_operator.plan import Plan, Reference
from posefleet_operator.policies.attempts import queue_seconds, seconds_before_next
from posefleet_operator.policies.exit_outcomes import termination_message
from posefleet_operator.policies.lifecycle import outdated_number
from posefleet_operator.policies.progress import after_report, after_termination
from posefleet_operator.policies.waiting import may_create, why_waiting

_REQUEUE_SECONDS = 30.0


def record_progress(seen: Observation, plan: Plan) -> None:
    """Take note of what the newest attempt's pods say, and where and since when they run."""
    attempt = running_attempt(plan.status)
    if attempt is None:
        return
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    _note_gang(plan, attempt, pods, gang_size(seen, attempt))
    if seen.report is not None:
        plan.status = after_report(plan.status, seen.report)
    # Rank 0 last: its words weigh most.
    for pod in sorted(pods, key=lambda pod: -pod.rank):
        if (said := termination_message(pod)) is not None:
            plan.status = after_termination(plan.status, said)


def run_attempts(seen: Observation, plan: Plan) -> None:
    """Watch the attempt that runs, or start the next."""
    attempt = running_attempt(plan.status)
    if attempt is not None:
        _watch(seen, plan, attempt)
        return
    last, policy = newest(plan.status), seen.spec.failure_policy
    left = 0.0
    if last is not None:
        left = seconds_before_next(plan.status.attempts, policy) - seconds_between(last.end_time, seen.now)
    if left > 0:
        _back_off(plan, left)
    elif may_create(seen, plan, "Running"):
        _start(seen, plan, (plan.status.attempt or 0) + 1)


def gang_size(seen: Observation, attempt: Attempt) -> int:
    """Pods of an attempt; the spec may have changed since it began."""
    job = seen.attempt_job(attempt.number)
    return job.completions if job is not None else len(attempt.nodes) or seen.spec.resources.nodes


def _note_gang(plan: Plan, attempt: Attempt, pods: tuple[ChildPod, ...], size: int) -> None:
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
    if attempt.running_time is not None:
        plan.condition("Running", True, "AllPodsRun", f"attempt {attempt.number} runs")
        return
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    job = seen.attempt_job(attempt.number)
    waiting = why_waiting(job, pods, gang_size(seen, attempt), seen.spec.storage, seen.now)
    plan.condition("Running", False, waiting.reason, waiting.message)
    plan.requeue_within(waiting.requeue_seconds)


def _back_off(plan: Plan, seconds: float) -> None:
    last = plan.status.attempts[-1]
    ended = from_timestamp(last.end_time) or plan.now
    after = f"attempt {last.number} ended at {to_timestamp(ended)} with {last.reason}: {last.message}"
    plan.condition("Running", False, "BackingOff", f"the next attempt follows after a pause; {after}")
    plan.requeue_within(seconds)


def _start(seen: Observation, plan: Plan, number: int) -> None:
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
    if (old := outdated_number(number)) is not None:
        name = attempt_name(seen.name, old)
        plan.delete += [Reference("ConfigMap", name), Reference("Service", name), Reference("Job", name)]
    plan.condition("Running", False, "PodsStarting", f"attempt {number} has been created")
    plan.requeue_within(_REQUEUE_SECONDS)


def _history_for_trainer(status: Status) -> Status:
    """What the trainer is told of the past: enough for its report, and the same however often it is built."""
    return Status(start_time=status.start_time, attempt=status.attempt, attempts=status.attempts[:-1])
