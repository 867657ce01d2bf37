"""Whole plans: everything that one reconcile wants done, at the turns of a job's life.

The expected plans are in ``whole_plans.yaml``. After a change that is meant, write them again with
``PYTHONPATH=tests python -m unit.operator.test_reconcile_whole_plans`` and read the difference.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import Artifacts, Attempt, Progress
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.plan import Plan
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import (
    JobBuilder,
    a_job,
    a_pod,
    a_report,
    ago,
    deleted_object,
    finished_job,
    suspended_job,
)
from unit.operator.plans import reconciled

EXPECTED = Path(__file__).with_name("whole_plans.yaml")
LOST = TerminationMessage(reason="PeerLost", message="rank 1 has not come within 600 s")


def with_ended_try(exit_code: int, **spec: Any) -> JobBuilder:
    job = reconciled(a_job().with_spec(**spec))
    condition = "Failed" if exit_code else "Complete"
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(exit_code, "it broke" if exit_code else "")
    return job.with_child(finished_job(job.prepare_manifest(1), condition)).with_pod(pod.manifest)


def after_tries(number: int, **preparation: Any) -> JobBuilder:
    job = a_job().prepared().with_status(conditions=[])
    fingerprint = job.seen().fingerprint
    changes = {"tries": number, "end_time": to_timestamp(ago(900)), "fingerprint": fingerprint, **preparation}
    return job.with_status(preparation=job.status.preparation.model_copy(update=changes))


def with_gang(*exit_codes: int, **policy: int) -> JobBuilder:
    """A job whose gang ran for 50 s and has ended with these exit codes."""
    job = a_job().with_gpus(2, nodes=len(exit_codes)).with_policy(**policy).running_attempt(1)
    attempt = job.status.attempts[0].model_copy(update={"gpus": 2 * len(exit_codes), "start_step": 3, "end_step": 9})
    job = job.with_status(attempts=[attempt], progress=Progress(stage="train", step=9, eta="9s", eta_seconds=9))
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed", pods=len(exit_codes)))
    for rank, code in enumerate(exit_codes):
        job = job.with_pod(a_pod(job, 1, rank).ended(code, "it broke" if code == 1 else "").manifest)
    return job


def succeeded() -> JobBuilder:
    job = with_gang(0)
    said = TerminationMessage(
        reason="Completed", message="done", progress=Progress(stage="report", step=100, percent=100),
        artifacts=Artifacts(report="s3://r"),
    )  # fmt: skip
    return job.with_child(finished_job(job.attempt_manifest(1), "Complete")).with_pod(
        a_pod(job).ended(0, said).manifest
    )


def waiting_gang(**spec: Any) -> JobBuilder:
    job = reconciled(a_job().with_spec(**spec).prepared())
    return job.with_child(job.attempt_manifest(1))


def held_gang(**spec: Any) -> JobBuilder:
    job = reconciled(a_job().with_spec(**spec).prepared())
    return job.with_child(job.held_manifest(1))


def finished(seconds_ago: float, ttl: int | None) -> JobBuilder:
    job = a_job().with_spec(**({"ttlSecondsAfterFinished": ttl} if ttl is not None else {})).after_attempts("Succeeded")
    return job.with_status(phase="Succeeded", gpus=7, completion_time=to_timestamp(ago(seconds_ago)))


def refused() -> JobBuilder:
    failed = a_job().prepared().with_status(phase="Failed", completion_time=to_timestamp(ago(60)))
    return failed.with_condition("Failed", "True", "InvalidInput").edited(dataset={"uri": "s3://other/"})


def with_former(job: JobBuilder, number: int) -> JobBuilder:
    return job.with_child(job.attempt_manifest(number))


def with_pending_try() -> JobBuilder:
    job = reconciled(a_job())
    return job.with_child(job.prepare_manifest(1))


def with_running_try(unreachable: int = 0, **spec: Any) -> JobBuilder:
    job = reconciled(a_job().with_spec(**{name: value for name, value in spec.items() if name != "suspend"}))
    job = job.with_spec(**spec)
    preparation = job.status.preparation.model_copy(update={"unreachable": unreachable})
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).running()
    return job.with_status(preparation=preparation).with_child(job.prepare_manifest(1)).with_pod(pod.manifest)


def waiting_queued() -> JobBuilder:
    job = waiting_gang(queue="lab-queue")
    return job.with_child(suspended_job(job.attempt_manifest(1)))


def half_a_gang() -> JobBuilder:
    job = waiting_gang(resources={"nodes": 2})
    return job.with_pod(a_pod(job, 1, 0).running().manifest).with_pod(a_pod(job, 1, 1).on_node("node-2").manifest)


def never_ran() -> JobBuilder:
    job = waiting_gang(resources={"nodes": 2})
    attempt = Attempt(number=1, start_time=to_timestamp(ago(600)), gpus=2)
    job = job.with_status(attempts=[attempt], gpu_seconds=40, queue_seconds=5)
    return job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(76, LOST).manifest)


def queue_preempted() -> JobBuilder:
    job = a_job().with_spec(queue="lab-queue").running_attempt(1)
    return job.with_child(suspended_job(job.attempt_manifest(1))).with_pod(a_pod(job).ended(75).deleted().manifest)


def suspended_leaving() -> JobBuilder:
    job = a_job().with_spec(suspend=True).after_attempts("Preempted", reason="Suspended")
    return job.with_child(deleted_object(job.attempt_manifest(1)))


SCENES: dict[str, Callable[[], JobBuilder]] = {
    "a new job": a_job,
    "a new job without gpus": lambda: a_job().with_gpus(0),
    "a try whose job was just created": with_pending_try,
    "a try that runs": with_running_try,
    "a try that runs during an outage": lambda: with_running_try(unreachable=2),
    "a try that runs for data that were edited": lambda: with_running_try().edited(dataset={"uri": "s3://other/"}),
    "a try that has succeeded": lambda: with_ended_try(0),
    "a try that has failed": lambda: with_ended_try(1),
    "the last try that may fail": lambda: with_ended_try(1, failurePolicy={"maxFailures": 1}),
    "a try that found no store": lambda: with_ended_try(69),
    "a try whose data are wrong": lambda: with_ended_try(78),
    "a try that ended after an edit": lambda: with_ended_try(1).edited(dataset={"uri": "s3://other/"}),
    "the fourth try": lambda: after_tries(3, failures=1, warnings=["old"]),
    "a try during an outage": lambda: after_tries(2, unreachable=2),
    "a try that waits for its turn": lambda: after_tries(1, failures=1, end_time=to_timestamp(ago(3))),
    "edited data after failures": lambda: after_tries(1, failures=2, unreachable=1, warnings=["old"]).edited(
        dataset={"uri": "s3://other/"}
    ),
    "an unknown try": lambda: a_job().with_child(a_job().prepare_manifest(2)),
    "the first attempt": lambda: a_job().with_gpus(4, nodes=2).prepared(),
    "an attempt that was recorded": lambda: reconciled(a_job().with_gpus(4, nodes=2).prepared()),
    "a gang that was created": held_gang,
    "a gang that is held": lambda: reconciled(held_gang()),
    "a gang for a queue that is held": lambda: reconciled(held_gang(queue="lab-queue")),
    "the fourth attempt": lambda: a_job().with_policy(maxFailures=9, backoffSeconds=1).after_attempts(*["Failed"] * 3),
    "an attempt that waits for its turn": lambda: a_job().with_policy(backoffSeconds=30).after_attempts("Failed"),
    "an attempt that is blocked": lambda: with_former(a_job().after_attempts("Preempted").with_checkpoint(19), 1),
    "a gang that waits": waiting_gang,
    "a gang that its queue holds": waiting_queued,
    "a gang that was edited": lambda: waiting_gang().edited(resources={"nodes": 2}),
    "a gang that runs": lambda: waiting_gang().with_pod(a_pod(waiting_gang()).running(7).manifest),
    "a gang of which half runs": half_a_gang,
    "a report of rank 0": lambda: a_job().running_attempt(2).saying(a_report(2, 42, start_step=30)),
    "an unknown attempt": lambda: with_former(a_job().with_gpus(3).prepared(), 1),
    "an unknown attempt of another manifest": lambda: a_job().prepared().with_child(
        a_job().with_spec(training={"epochs": 7}).prepared().attempt_manifest(1)
    ),
    "an attempt that has failed": lambda: with_gang(1, 75),
    "the last attempt that may fail": lambda: with_gang(1, maxFailures=1),
    "an attempt that was preempted": lambda: with_gang(75, 75),
    "an attempt that has succeeded": succeeded,
    "an attempt whose input is wrong": lambda: with_gang(78),
    "an attempt that never ran": never_ran,
    "an attempt that its queue preempted": queue_preempted,
    "an attempt that was superseded": lambda: with_former(a_job().running_attempt(2), 1),
    "an attempt that has stalled": lambda: a_job().with_policy(stallSeconds=60).running_attempt(1, started=300).saying(
        a_report(1, 5, seconds_ago=61)
    ),
    "an attempt that may stall": lambda: a_job().with_policy(stallSeconds=60).running_attempt(1, started=300).saying(
        a_report(1, 5, seconds_ago=40)
    ),
    "an attempt that nobody hears": lambda: replace(
        a_job().with_policy(stallSeconds=60).running_attempt(1, started=300), polled_since=ago(61)
    ),
    "a deadline during an attempt": lambda: a_job().with_spec(activeDeadlineSeconds=100).running_attempt(1),
    "a deadline during the preparation": lambda: with_running_try(activeDeadlineSeconds=5).with_status(
        start_time=to_timestamp(ago(5))
    ),
    "a deadline to come": lambda: a_job().with_spec(activeDeadlineSeconds=210).running_attempt(1),
    "a suspension of a gang": lambda: a_job().with_spec(suspend=True).running_attempt(1),
    "a suspension of a try": lambda: with_running_try(suspend=True),
    "a suspension whose job is still there": suspended_leaving,
    "a suspension that is done": lambda: a_job().with_spec(suspend=True).after_attempts("Preempted", reason="Suspended")
    .with_status(progress=Progress(stage="train", step=3, eta="1s", eta_seconds=1)),
    "a job that goes on": lambda: a_job().after_attempts("Preempted", reason="Suspended").with_condition(
        "Suspended", "True", "Suspended"
    ),
    "a manifest with a mistake": lambda: a_job().with_spec(training={"epochs": -1}),
    "a refused job that was corrected": refused,
    "a refused job without a try that its cluster completes": lambda: a_job().with_status(
        phase="Failed", completion_time=to_timestamp(ago(60)), start_time=to_timestamp(ago(90))
    ).with_condition("Failed", "True", "InvalidInput"),
    "a finished job": lambda: finished(30, None),
    "a finished job that lives on": lambda: finished(30, 60),
    "a finished job whose time is over": lambda: finished(60, 60),
    "a finished job with leftovers": lambda: with_former(finished(30, None), 1).with_child(
        finished(30, None).prepare_manifest(1)
    ),
}  # fmt: skip


def as_data(plan: Plan) -> dict[str, Any]:
    """A plan as it is kept in ``whole_plans.yaml``."""
    configs = [m["data"]["job.json"] for m in plan.create if m["kind"] == "ConfigMap"]
    return {
        "status": plan.status.to_dict(),
        "create": [f"{m['kind']} {m['metadata']['name']}" for m in plan.create],
        "annotations": [m["metadata"]["annotations"] for m in plan.create if "annotations" in m["metadata"]],
        "status for the trainer": [json.loads(text).get("status") for text in configs],
        "release": [[one.name, one.uid, one.version, one.patch] for one in plan.release],
        "delete": [[one.kind, one.name, one.uid] for one in plan.delete],
        "events": [[str(e.reason), e.message, e.identity] for e in plan.events],
        "requeue after": plan.requeue_after,
        "remaining steps skipped": plan.remaining_steps_skipped,
    }


@pytest.mark.parametrize("scene", SCENES)
def test_a_plan_is_what_it_should_be(scene: str) -> None:
    expected = yaml.load(EXPECTED.read_text(), yaml.CSafeLoader)
    assert expected.keys() == SCENES.keys()
    assert as_data(reconcile(SCENES[scene]().seen())) == expected[scene]


if __name__ == "__main__":
    plans = {scene: as_data(reconcile(build().seen())) for scene, build in SCENES.items()}
    EXPECTED.write_text(yaml.safe_dump(plans, sort_keys=False, width=110, allow_unicode=True))
