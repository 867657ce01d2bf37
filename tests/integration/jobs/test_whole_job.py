"""One manifest in, one report out."""

import json

import pytest

from support.jobs import Jobs, a_manifest

pytestmark = pytest.mark.cluster


def test_a_job_leaves_model_predictions_and_report(jobs: Jobs):
    name = jobs.apply(a_manifest(jobs.store, "whole"))
    status = jobs.succeed(name)
    assert [attempt["outcome"] for attempt in status["attempts"]] == ["Succeeded"]
    assert status["artifacts"]["report"] == "s3://results/whole/report/index.html"
    assert b"<html" in jobs.read_result(name, "report/index.html")
    assert jobs.read_result(name, "predictions/video_preds/vid.csv").startswith(b"scorer")
    assert len(jobs.weights(name)) == 64


def test_a_second_job_on_the_same_data_downloads_no_video(jobs: Jobs):
    first, second = (a_manifest(jobs.store, name) for name in ("first", "second"))
    for manifest in (first, second):
        jobs.apply(manifest)
        jobs.succeed(manifest["metadata"]["name"])
    log = jobs.kubectl("logs", jobs.pods("second", "prepare")[0]["metadata"]["name"])
    assert "found prepared data" in log
    assert json.dumps(jobs.status("second"))
