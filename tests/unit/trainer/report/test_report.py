"""The stage, on a tiny project with an untrained network."""

import json
from dataclasses import replace

import av

from posefleet_trainer.prediction.predict import predict
from posefleet_trainer.report.report import job_summary, report
from unit.trainer.report.results import NOW


def test_the_stage_leaves_page_summary_and_videos_and_says_where(made):
    context = made.context
    predictions = predict(context, made.prepared, made.model)
    artifacts = report(context, made.prepared, made.model, predictions)
    output = context.output
    assert artifacts.report == f"{output.uri}report/index.html"
    assert artifacts.predictions == f"{output.uri}predictions/"
    assert artifacts.model == f"{output.uri}model/model.pt"
    assert artifacts.labelled_videos == [f"{output.uri}labelled_videos/vid.mp4"]
    assert b"<title>tiny" in output.read("report/index.html")
    assert json.loads(output.read("summary.json"))["job"] == "tiny"
    with av.open(artifacts.labelled_videos[0].removeprefix("file://")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 40
    assert context.progress.report().progress.display == "report 100%"
    assert not list(context.cache_directory.glob("labelled-*"))


def test_labelled_videos_can_be_left_out(made):
    spec = made.context.job.spec
    without = spec.model_copy(update={"predict": spec.predict.model_copy(update={"labelled_video": False})})
    job = made.context.job.model_copy(update={"spec": without})
    context = replace(made.context, job=job, output=made.context.output.child("bare/"))
    artifacts = report(context, made.prepared, made.model, predict(context, made.prepared, made.model))
    assert artifacts.labelled_videos == []
    assert b"labelled video</a>" not in context.output.read("report/index.html")
    assert context.output.find("labelled_videos/vid.mp4") is None


def test_the_summary_is_plain_json_with_the_error_of_every_set(made):
    said = json.loads(json.dumps(job_summary(made.results(), NOW)))
    assert set(said["pixelError"]) == {"train", "validation", "test"}
    assert said["pixelError"]["test"]["meanPixelsByKeypoint"].keys() == {"red", "green", "blue"}
    assert said["videos"] == {"vid": {"frames": 40}}
