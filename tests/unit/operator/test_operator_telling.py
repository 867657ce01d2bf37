"""What the operator tells: settings, logs, events, metrics, probes."""

import io
import json
import logging
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client import generate_latest

from posefleet_operator.cache import Jobs
from posefleet_operator.events import event_manifest
from posefleet_operator.logs import job_context, start_logging
from posefleet_operator.metrics import Metrics
from posefleet_operator.policies.turns import Turn
from posefleet_operator.serving import serving
from posefleet_operator.settings import parse_settings
from unit.operator.builders import a_job, ago, to_timestamp


def test_arguments_win_over_the_environment_which_wins_over_defaults() -> None:
    environment = {"POSEFLEET_TRAINER_IMAGE": "from-environment", "POSEFLEET_HTTP_PORT": "9000"}
    settings = parse_settings(["run", "--http-port", "9001", "--namespaces", "lab,other"], environment)

    assert settings.trainer_image == "from-environment"
    assert settings.http_port == 9001
    assert settings.namespaces == ("lab", "other")
    assert settings.resync_seconds == 300


def test_a_wrong_setting_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        parse_settings([], {"POSEFLEET_IMAGE_PULL_POLICY": "Sometimes", "POSEFLEET_HTTP_PORT": "x"})

    assert "http-port" in capsys.readouterr().err


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_line_inside_a_job_names_it_and_its_attempt(root_logger) -> None:
    stream = io.StringIO()
    start_logging("auto", "INFO", stream)
    with job_context(("lab", "reaching"), 2):
        logging.getLogger("posefleet_operator.x").info("created %s", "Job")
    logging.getLogger("posefleet_operator.x").info("outside")

    inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (inside["namespace"], inside["job"], inside["attempt"], inside["message"]) == (
        "lab", "reaching", 2, "created Job",
    )  # fmt: skip
    assert "job" not in outside


def test_people_get_plain_text(root_logger) -> None:
    stream = io.StringIO()
    start_logging("text", "INFO", stream)
    with job_context(("lab", "reaching"), 2):
        logging.getLogger("x").warning("slow")

    assert "WARNING lab/reaching attempt 2 slow" in stream.getvalue()


def test_the_same_turn_has_the_same_event_whoever_tells_it() -> None:
    turn = Turn("Normal", "Prepared", "61 frames", "prepared-1")
    seen = a_job().seen()
    first, second = event_manifest(seen, turn, "one"), event_manifest(replace(seen, now=ago(-9)), turn, "two")

    assert first["metadata"]["name"] == second["metadata"]["name"]
    other = event_manifest(replace(a_job(), uid="uid-2").seen(), turn, "one")
    assert other["metadata"]["name"] != first["metadata"]["name"]


def test_a_long_message_fits_into_an_event() -> None:
    event = event_manifest(a_job().seen(), Turn("Warning", "Failed", "é" * 4000, "x"), "one")

    assert len(event["note"].encode()) <= 1024


def exposed(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_an_attempt_is_counted_once_with_its_gpu_seconds() -> None:
    metrics = Metrics()
    before = a_job().running_attempt(1)
    running = before.status.attempts[0]
    ended = running.model_copy(update={
        "end_time": to_timestamp(ago(0)), "outcome": "Failed", "gpus": 4, "start_step": 0, "end_step": 10,
    })  # fmt: skip
    after = before.status.model_copy(update={"attempts": [ended]})
    metrics.status_written(before.seen(), after)
    metrics.status_written(replace(before, status=after).seen(), after)

    lines = exposed(metrics)
    assert 'posefleet_attempts_total{namespace="lab",outcome="Failed"} 1.0' in lines
    assert 'posefleet_allocated_gpu_seconds_total{namespace="lab"} 200.0' in lines
    assert 'posefleet_useful_gpu_seconds_total{namespace="lab"} 0.0' in lines


def test_jobs_are_counted_by_phase_and_leave_no_series_behind() -> None:
    metrics, jobs = Metrics(), Jobs()
    metrics.show_jobs(jobs)
    jobs.apply("ADDED", a_job().with_status(phase="Running", gpus=8).manifest())
    assert 'posefleet_jobs{namespace="lab",phase="Running"} 1.0' in exposed(metrics)
    assert 'posefleet_job_gpus{job="reaching",namespace="lab"} 8.0' in exposed(metrics)

    jobs.forget(("lab", "reaching"))
    assert not [line for line in exposed(metrics) if "reaching" in line or 'phase="' in line]


async def test_probes_and_metrics_are_served() -> None:
    metrics = Metrics()
    async with (
        serving("127.0.0.1", 0, lambda: (True, "leading"), lambda: (False, "starting"), metrics.registry) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        assert (await session.get("/healthz")).status == 200
        assert (await session.get("/readyz")).status == 503
        assert "posefleet_reconcile_seconds" in await (await session.get("/metrics")).text()
