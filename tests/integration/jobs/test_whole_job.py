"""One manifest in, one report out."""

from typing import Any

import pytest

from support.jobs import Jobs, a_manifest
from support.waiting import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def finished(jobs: Jobs) -> dict[str, Any]:
    """The status of a job that ran undisturbed, named ``whole``."""
    return jobs.succeed(jobs.apply(a_manifest(jobs.store, "whole")))


def test_a_job_leaves_model_predictions_and_report(jobs: Jobs, finished: dict[str, Any]):
    assert [attempt["outcome"] for attempt in finished["attempts"]] == ["Succeeded"]
    assert finished["artifacts"]["report"] == "s3://results/whole/report/index.html"
    assert b"<html" in jobs.read_result("whole", "report/index.html")
    assert jobs.read_result("whole", "predictions/video_preds/vid.csv").startswith(b"scorer")
    assert len(jobs.weights("whole")) == 64


def test_kubectl_shows_what_a_scientist_asks_for(jobs: Jobs, finished: dict[str, Any]):
    heading, row = jobs.kubectl("get", "ptj", "whole").splitlines()
    assert heading.split() == [
        *("NAME", "PHASE", "QUEUE-POS", "PROGRESS", "ETA", "LOSS", "PIXEL-ERR", "GPUS", "ATTEMPT", "LAST-CKPT", "AGE"),
    ]
    assert row.split()[:2] == ["whole", "Succeeded"]
    described = jobs.kubectl("describe", "ptj", "whole")
    for reason in ("PrepareStarted", "Prepared", "AttemptStarted", "AttemptSucceeded", "Succeeded"):
        assert reason in described
    assert "Number of times that each labelled training frame is used." in jobs.kubectl("explain", "ptj.spec.training")
    assert finished["lastCheckpoint"]["step"] == finished["progress"]["steps"]


def test_no_secret_reaches_a_log_a_status_or_an_event(jobs: Jobs, finished: dict[str, Any], operator):
    del finished
    texts = [
        operator.log.read_text(),
        jobs.kubectl("get", "ptj,jobs,pods,configmaps,events", "-o", "yaml"),
        *(jobs.kubectl("logs", pod["metadata"]["name"]) for pod in jobs.pods("whole")),
    ]
    assert [text for text in texts if jobs.store.secret_key in text] == []


def test_a_second_job_on_the_same_data_finds_them_prepared(jobs: Jobs, finished: dict[str, Any]):
    del finished
    name = jobs.apply(a_manifest(jobs.store, "second"))
    wait_for("the second job to be prepared", lambda: jobs.condition(name, "Prepared").get("status") == "True", 60)
    (pod,) = jobs.pods(name, "prepare")
    assert "found prepared data" in jobs.kubectl("logs", pod["metadata"]["name"])
    jobs.delete(name)
