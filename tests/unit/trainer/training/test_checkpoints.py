import threading
import time
from pathlib import Path
from typing import Any

import pytest

from posefleet_api.job import Spec, parse_job
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared, StoredFile
from posefleet_trainer.errors import StoreUnreachable
from posefleet_trainer.training import checkpoints
from posefleet_trainer.training.checkpoints import CheckpointManifest, training_fingerprint
from unit.trainer.training.checkpoint_folder import CheckpointFolder, state

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


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_only_the_newest_few_stay(folder: CheckpointFolder):
    folder.write(1, 2, 3, 4, 5)
    assert folder.names() == {"latest.json"} | {
        f"step-00000000{n}.{kind}" for n in (3, 4, 5) for kind in ("ckpt", "json")
    }


def test_with_one_checkpoint_to_keep_only_the_newest_stays(tmp_path: Path):
    folder = CheckpointFolder(tmp_path, keep=1)
    folder.write(1, 2, 3)
    assert folder.names() == {"latest.json", "step-000000003.ckpt", "step-000000003.json"}


def test_latest_json_names_the_newest_and_progress_tells_of_it(folder: CheckpointFolder):
    folder.write(1, 2)
    latest = CheckpointManifest.model_validate_json(folder.store.read("checkpoints/latest.json"))
    saved = folder.progress.report().last_checkpoint
    assert saved is not None
    assert (latest.step, saved.step) == (2, 2)
    assert saved.sha256 == latest.sha256
    assert saved.uri.endswith("checkpoints/step-000000002.ckpt")


def test_a_store_that_stays_away_is_noticed_by_training(
    folder: CheckpointFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: Any) -> None:
        raise StoreUnreachable("no answer for 600 s")

    monkeypatch.setattr(folder.store, "upload", away)
    folder.writer.begin(1, state(1).content())
    with pytest.raises(StoreUnreachable):
        folder.writer.wait()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_failure_is_raised_when_the_next_checkpoint_begins(folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch):
    def away(*_: Any) -> None:
        raise StoreUnreachable("no answer for 600 s")

    with monkeypatch.context() as patch:
        patch.setattr(folder.store, "upload", away)
        folder.writer.begin(1, state(1).content())
        wait_until(lambda: not folder.writer.busy)
        assert folder.writer.failed()
    with pytest.raises(StoreUnreachable):
        folder.writer.begin(2, state(2).content())
    assert not folder.writer.failed()
    folder.write(3)
    assert folder.newest() is not None
    assert not folder.writer.failed()


def test_a_writer_is_busy_until_its_checkpoint_is_in_the_store(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
):
    upload, gate = folder.store.upload, threading.Event()

    def gated(*arguments: Any) -> None:
        assert gate.wait(10)
        upload(*arguments)

    monkeypatch.setattr(folder.store, "upload", gated)
    assert not folder.writer.busy
    folder.writer.begin(1, state(1).content())
    assert folder.writer.busy
    assert not folder.writer.failed()
    gate.set()
    folder.writer.wait()
    assert not folder.writer.busy
    assert folder.names() == {"latest.json", "step-000000001.ckpt", "step-000000001.json"}


def test_a_slow_checkpoint_is_warned_of_and_a_quick_one_is_not(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
):
    upload, gate = folder.store.upload, threading.Event()
    monkeypatch.setattr(folder.store, "upload", lambda *arguments: gate.wait(10) and upload(*arguments))
    folder.writer.begin(1, state(1).content())
    folder.writer.failed()
    assert folder.progress.report().warnings == []
    monkeypatch.setattr(checkpoints, "_SLOW_SECONDS", 0.0)
    folder.writer.failed()
    assert len(folder.progress.report().warnings) == 1
    gate.set()
    folder.writer.wait()


def test_the_start_of_a_training_changes_its_fingerprint():
    uris = ["", "s3://lab/one.pt", "s3://lab/two.pt"]
    fingerprints = [training_fingerprint(a_spec(checkpoint={"resumeFrom": uri}), PREPARED) for uri in uris]
    assert len(set(fingerprints)) == 3


def test_the_interval_of_checkpoints_does_not_change_the_fingerprint():
    seldom = a_spec(checkpoint={"intervalSeconds": 3600})
    assert training_fingerprint(seldom, PREPARED) == training_fingerprint(a_spec(), PREPARED)
