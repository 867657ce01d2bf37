from typing import Any

from posefleet_api.job import Spec, parse_job
from posefleet_trainer.dataset.fingerprint import training_fingerprint
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared, StoredFile

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


def test_the_start_of_a_training_changes_its_fingerprint():
    uris = ["", "s3://lab/one.pt", "s3://lab/two.pt"]
    fingerprints = [training_fingerprint(a_spec(checkpoint={"resumeFrom": uri}), PREPARED) for uri in uris]
    assert len(set(fingerprints)) == 3


def test_the_interval_of_checkpoints_does_not_change_the_fingerprint():
    seldom = a_spec(checkpoint={"everyMinutes": 60})
    assert training_fingerprint(seldom, PREPARED) == training_fingerprint(a_spec(), PREPARED)
