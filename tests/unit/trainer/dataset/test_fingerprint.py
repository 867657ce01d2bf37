from typing import Any

import pytest

from posefleet_api.job import Spec, parse_job
from posefleet_api.training import Training
from posefleet_trainer.dataset.fingerprint import training_fingerprint
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared, StoredFile

PREPARED = Prepared(
    format="lightningPose",
    keypoints=["nose"],
    columns=["nose"],
    frames=[LabelledFrame(path="a.png", width=8, height=6, points=[[1.0, 2.0]], set="labelled")],
    frames_archive=StoredFile(key="files/a.tar", size_bytes=1, sha256="a" * 64),
    clip_videos=[],
    predict_videos=[],
    warnings=[],
)


def a_spec(**spec: Any) -> Spec:
    data = {"dataset": {"uri": "file:///data/"}, "output": {"uri": "file:///out/"}, **spec}
    kinds = {"apiVersion": "posefleet.io/v1alpha1", "kind": "PoseTrainingJob", "metadata": {"name": "job"}}
    return parse_job({**kinds, "spec": data}).spec


def test_the_start_of_a_training_changes_its_fingerprint():
    uris = ["", "s3://lab/one.pt", "s3://lab/two.pt"]
    fingerprints = [training_fingerprint(a_spec(checkpoint={"resumeFrom": uri}), PREPARED) for uri in uris]
    assert len(set(fingerprints)) == 3


def test_the_interval_of_checkpoints_does_not_change_the_fingerprint():
    seldom = a_spec(checkpoint={"intervalSeconds": 3600})
    assert training_fingerprint(seldom, PREPARED) == training_fingerprint(a_spec(), PREPARED)


def test_a_field_that_a_later_version_adds_does_not_change_the_fingerprint(monkeypatch: pytest.MonkeyPatch):
    class LaterTraining(Training):
        warm_up_steps: int = 0

    class LaterFrame(LabelledFrame):
        camera: str = ""

    spec = a_spec(training={"epochs": 7})
    before = training_fingerprint(spec, PREPARED)
    later = spec.model_copy(update={"training": LaterTraining(epochs=7)})
    frames = [LaterFrame(**frame.model_dump()) for frame in PREPARED.frames]
    assert training_fingerprint(later, PREPARED.model_copy(update={"frames": frames})) == before
    changed = spec.model_copy(update={"training": LaterTraining(epochs=7, warm_up_steps=1)})
    assert training_fingerprint(changed, PREPARED) != before
