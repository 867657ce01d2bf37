"""Metrics of the operator process and of its jobs."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Checkpoint, Progress
from posefleet_operator import reasons
from posefleet_operator.cluster.cache import Jobs
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.cluster.progress_poller import ProgressPoller
from posefleet_operator.executor import Refused
from posefleet_operator.observation import Refusal
from posefleet_operator.telemetry.job_series import JobSeries
from posefleet_operator.telemetry.metrics import Metrics, known_reason
from unit.operator.builders import JobBuilder, a_job, a_report, ago, to_timestamp


def exposed(metrics: Metrics) -> list[str]:
    return metrics.exposition().decode().splitlines()


def an_idle_poller() -> ProgressPoller:
    return ProgressPoller(lambda key: None, lambda: 0.0, 5)


def reached(job: JobBuilder, step: int, checkpoint: int | None = None, **changes: Any) -> JobBuilder:
    """The job after its newest attempt was seen at ``step``, with a checkpoint after another one."""
    attempt = job.status.attempts[-1].model_copy(update={"gpus": 4, "start_step": 0, "end_step": step, **changes})
    saved = Checkpoint(uri="s3://x", step=checkpoint, time=to_timestamp(ago(0)), sha256="") if checkpoint else None
    return job.with_status(attempts=[*job.status.attempts[:-1], attempt], last_checkpoint=saved)


def test_an_attempt_is_counted_once_by_outcome_and_reason() -> None:
    metrics, before = Metrics(), a_job().running_attempt(1)
    ended = {"end_time": to_timestamp(ago(0)), "outcome": "Failed"}
    after = reached(before, 10, reason="OOMKilled", **ended)
    metrics.status_written(before.seen(), after.status)
    metrics.status_written(after.seen(), after.status)
    stranger = reached(before, 10, reason="a text of somebody", **ended)
    metrics.status_written(before.seen(), stranger.status)

    lines = exposed(metrics)
    assert 'posefleet_attempts_total{namespace="lab",outcome="Failed",reason="OOMKilled"} 1.0' in lines
    assert 'posefleet_attempts_total{namespace="lab",outcome="Failed",reason="Other"} 1.0' in lines


def test_counts_of_a_namespace_begin_at_zero() -> None:
    metrics, job = Metrics(), a_job()
    metrics.status_written(job.seen(), job.status)

    assert 'posefleet_attempts_total{namespace="lab",outcome="Failed",reason="OOMKilled"} 0.0' in exposed(metrics)


def gpu_seconds(metrics: Metrics) -> tuple[float, float]:
    values = [
        metrics.registry.get_sample_value(f"posefleet_{kind}_gpu_seconds_total", {"namespace": "lab"}) or 0.0
        for kind in ("allocated", "useful")
    ]
    return values[0], values[1]


def test_gpu_seconds_are_counted_while_an_attempt_runs() -> None:
    metrics, waiting = Metrics(), a_job().prepared()
    started = reached(a_job().running_attempt(1, started=50), 0)
    metrics.status_written(waiting.seen(), started.status)
    assert gpu_seconds(metrics) == (200.0, 0.0)

    trained = reached(started, 100, checkpoint=50)
    metrics.status_written(started.seen(now=ago(-50)), trained.status)
    assert gpu_seconds(metrics) == (400.0, 200.0)

    ended = reached(trained, 200, checkpoint=200, end_time=to_timestamp(ago(-100)), outcome="Preempted")
    metrics.status_written(trained.seen(now=ago(-100)), ended.status)
    metrics.status_written(ended.seen(now=ago(-500)), ended.status)
    assert gpu_seconds(metrics) == (600.0, 600.0)


def test_an_operator_that_takes_over_counts_what_passes_from_then_on() -> None:
    metrics, running = Metrics(), reached(a_job().running_attempt(1, started=1000), 10, checkpoint=10)
    metrics.status_written(running.seen(), running.status)
    assert gpu_seconds(metrics) == (0.0, 0.0)

    metrics.status_written(running.seen(now=ago(-10)), running.status)
    assert gpu_seconds(metrics) == (40.0, 40.0)


def test_an_operator_that_leads_again_leaves_out_what_passed_while_another_led() -> None:
    metrics, running = Metrics(), reached(a_job().running_attempt(1, started=1000), 10, checkpoint=10)
    metrics.status_written(running.seen(), running.status)
    with metrics.leading(Jobs(), an_idle_poller()):
        pass

    metrics.status_written(running.seen(now=ago(-3600)), running.status)
    assert gpu_seconds(metrics) == (0.0, 0.0)


def test_gpu_seconds_of_a_job_that_was_applied_anew_begin_at_zero() -> None:
    metrics, job = Metrics(), reached(a_job().running_attempt(1, started=1000), 10, checkpoint=10)
    metrics.status_written(a_job().prepared().seen(), job.status)
    anew = reached(a_job().running_attempt(1, started=10), 10, checkpoint=10)
    metrics.status_written(a_job().prepared().seen(), anew.status)
    assert gpu_seconds(metrics) == (4000.0 + 40.0, 4000.0 + 40.0)


def test_a_job_shows_its_attempt_and_when_it_last_got_on() -> None:
    metrics, jobs, poller, registry = Metrics(), Jobs(), an_idle_poller(), CollectorRegistry()
    registry.register(JobSeries(jobs, poller, known_reason))
    with metrics.leading(jobs, poller):
        running = a_job().running_attempt(2, started=50).with_status(phase="Running", gpus=8)
        jobs.apply("ADDED", running.with_spec(failurePolicy={"stallSeconds": 60}).manifest())

        def value(name: str, **labels: str) -> float | None:
            labels |= {"namespace": "lab", "training_job": "reaching"}
            return registry.get_sample_value(f"posefleet_job_{name}", labels)

        assert value("allocated_gpus") == 8
        assert value("attempts") == 2
        assert value("stall_timeout_seconds") == 60
        assert value("last_step_timestamp_seconds") == ago(50).timestamp()
        assert value("attempt_start_timestamp_seconds", attempt="2") == ago(55).timestamp()
        ended = value("attempt_end_timestamp_seconds", attempt="1", outcome="Preempted", reason="Preempted")
        assert ended == ago(5).timestamp()

        poller.set_target(("lab", "reaching"), 2, "10.0.0.1")
        target = poller.target(("lab", "reaching"))
        assert target is not None
        target.report = ProgressReport(attempt=2, progress=Progress(), last_step_time=to_timestamp(ago(3)))
        assert value("last_step_timestamp_seconds") == ago(3).timestamp()


def test_a_job_that_waits_holds_no_gpus_but_asks_for_them() -> None:
    metrics, jobs = Metrics(), Jobs()
    with metrics.leading(jobs, an_idle_poller()):
        jobs.apply("ADDED", a_job().with_status(phase="Queued", gpus=8).manifest())

        lines = exposed(metrics)
        assert 'posefleet_job_requested_gpus{namespace="lab",training_job="reaching"} 8.0' in lines
        assert 'posefleet_job_allocated_gpus{namespace="lab",training_job="reaching"} 0.0' in lines


def test_jobs_are_counted_by_phase_and_leave_no_series_behind() -> None:
    metrics, jobs = Metrics(), Jobs()
    with metrics.leading(jobs, an_idle_poller()):
        jobs.apply("ADDED", a_job().with_status(phase="Running").manifest())
        assert 'posefleet_jobs{namespace="lab",phase="Running"} 1.0' in exposed(metrics)
        assert [line for line in exposed(metrics) if "reaching" in line]

        jobs.apply("MODIFIED", a_job().with_status(phase="Succeeded").manifest())
        assert 'posefleet_jobs{namespace="lab",phase="Succeeded"} 1.0' in exposed(metrics)
        assert not [line for line in exposed(metrics) if "reaching" in line]

        jobs.forget(("lab", "reaching"))
        assert not [line for line in exposed(metrics) if 'phase="' in line]


def test_only_the_leader_shows_jobs() -> None:
    metrics, jobs = Metrics(), Jobs()
    jobs.apply("ADDED", a_job().manifest())
    with metrics.leading(jobs, an_idle_poller()):
        assert "posefleet_operator_leading 1.0" in exposed(metrics)

    assert "posefleet_operator_leading 0.0" in exposed(metrics)
    assert not [line for line in exposed(metrics) if "reaching" in line]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ApiError(409, "Conflict", ""), "Conflict"),
        (ApiError(0, "Unreachable", ""), "Unreachable"),
        (ApiError(500, "InternalError", ""), "ApiError"),
        (Refused(Refusal(reasons.REFUSED, "no")), "Refused"),
        (NotLeading("no"), "NotLeading"),
        (KeyError("x"), "Unexpected"),
    ],
)
def test_failed_reconciles_are_counted_by_reason(error: Exception, reason: str) -> None:
    metrics = Metrics()
    metrics.reconcile_failed(error)

    counted = [line for line in exposed(metrics) if line.startswith("posefleet_reconcile_errors_total{")]
    assert [line for line in counted if line.endswith(" 1.0")] == [
        f'posefleet_reconcile_errors_total{{reason="{reason}"}} 1.0'
    ]


def test_the_text_of_the_series_is_that_of_the_prometheus_client_and_follows_the_jobs() -> None:
    jobs, poller, registry = Jobs(), an_idle_poller(), CollectorRegistry()
    series = JobSeries(jobs, poller, known_reason)
    registry.register(series)
    running = a_job().running_attempt(2, started=50).with_status(phase="Running", gpus=8)
    for job in (
        a_job(),
        running,
        running.with_status(phase='odd "\\ phase', gpus=4),
        running.with_status(phase="Failed"),
    ):
        jobs.apply("MODIFIED", job.manifest())
        assert series.text() == series.text() == generate_latest(registry)

    jobs.forget(("lab", "reaching"))
    assert series.text() == generate_latest(registry)


def test_a_step_that_a_poll_shows_is_in_the_next_scrape() -> None:
    jobs, poller = Jobs(), an_idle_poller()
    jobs.apply("ADDED", a_job().running_attempt(1, started=5000).with_status(phase="Running").manifest())
    series = JobSeries(jobs, poller, known_reason)
    poller.set_target(("lab", "reaching"), 1, "10.0.0.1")
    before, target = series.text(), poller.target(("lab", "reaching"))
    assert target is not None
    target.heard(a_report(1, 7), 1.0)

    assert series.text() != before
