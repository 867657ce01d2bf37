"""What makes a training another one."""

from typing import Any

from posefleet_api.job import Spec, parse_job
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared, StoredFile
from posefleet_trainer.training.checkpoints import training_fingerprint

PREPARED = Prepared(
    keypoints=["nose"],
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


def test_what_a_training_starts_from_is_part_of_it():
    uris = ["", "s3://lab/one.pt", "s3://lab/two.pt"]
    fingerprints = [training_fingerprint(a_spec(checkpoint={"resumeFrom": uri}), PREPARED) for uri in uris]
    assert len(set(fingerprints)) == 3


def test_how_often_it_is_saved_is_not():
    seldom = a_spec(checkpoint={"everyMinutes": 60})
    assert training_fingerprint(seldom, PREPARED) == training_fingerprint(a_spec(), PREPARED)
