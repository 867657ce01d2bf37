import threading
import time
from pathlib import Path
from typing import Any

import pytest

from posefleet_trainer.errors import StoreUnreachable, Superseded
from posefleet_trainer.store.fence import AttemptId, fenced
from posefleet_trainer.training import checkpoints
from unit.trainer.training.checkpoint_folder import ATTEMPT_1, CheckpointFolder, state


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_only_the_newest_few_stay(folder: CheckpointFolder):
    folder.write(1, 2, 3, 4, 5)
    assert folder.names() == {f"step-00000000{n}-{ATTEMPT_1}.{kind}" for n in (3, 4, 5) for kind in ("ckpt", "json")}


def test_with_one_checkpoint_to_keep_only_the_newest_stays(tmp_path: Path):
    folder = CheckpointFolder(tmp_path, keep=1)
    folder.write(1, 2, 3)
    assert folder.names() == {f"step-000000003-{ATTEMPT_1}.ckpt", f"step-000000003-{ATTEMPT_1}.json"}


def test_progress_names_the_newest_checkpoint(folder: CheckpointFolder):
    folder.write(1, 2)
    manifest, saved = folder.newest(), folder.progress.report().last_checkpoint
    assert manifest is not None
    assert saved is not None
    assert (manifest.step, manifest.attempt, saved.step) == (2, 1, 2)
    assert saved.sha256 == manifest.sha256
    assert saved.uri == manifest.uri
    assert saved.uri.endswith(f"checkpoints/step-000000002-{ATTEMPT_1}.ckpt")


def test_an_attempt_overwrites_and_deletes_no_checkpoint_of_a_newer_one(tmp_path: Path, monkeypatch: Any):
    old = CheckpointFolder(tmp_path)
    old.write(1, 2)
    with monkeypatch.context() as patch:
        # The old attempt looked for newer ones just before the new one began, and acts on what it saw.
        patch.setattr(old.writer._output, "_check", lambda: None)
        CheckpointFolder(tmp_path, attempt=AttemptId("", 2)).write(3, 4)
        before = {name: old.store.read(f"checkpoints/{name}") for name in old.names() if "attempt-2" in name}
        old.write(4, 5, 6, 7, 8)
    assert before == {name: old.store.read(f"checkpoints/{name}") for name in old.names() if "attempt-2" in name}
    assert len(before) == 4


def test_an_attempt_that_finds_a_newer_one_writes_and_deletes_nothing_more(tmp_path: Path):
    old = CheckpointFolder(tmp_path, keep=1)
    old.write(1)
    fenced(old.store, AttemptId("", 2), begins=True)
    with pytest.raises(Superseded, match="attempt 2 of this job has begun, so attempt 1 stops"):
        old.write(2)
    assert old.names() == {f"step-000000001-{ATTEMPT_1}.ckpt", f"step-000000001-{ATTEMPT_1}.json"}


def test_a_new_attempt_deletes_what_older_ones_and_other_jobs_have_left(tmp_path: Path):
    CheckpointFolder(tmp_path, attempt=AttemptId("another job", 7)).write(1)
    CheckpointFolder(tmp_path, attempt=AttemptId("", 1)).write(2)
    folder = CheckpointFolder(tmp_path, keep=1, attempt=AttemptId("", 2))
    folder.write(3)
    assert folder.names() == {"step-000000003-attempt-2-e3b0c442.ckpt", "step-000000003-attempt-2-e3b0c442.json"}


def test_a_file_without_a_manifest_is_deleted_with_the_next_checkpoint(folder: CheckpointFolder):
    folder.write(1)
    left = f"checkpoints/step-000000002-{ATTEMPT_1}.ckpt"
    newer = "checkpoints/step-000000002-attempt-2-e3b0c442.ckpt"
    for key in (left, newer):
        folder.store.write(key, b"cut off before its manifest")
    folder.write(3)
    assert folder.store.find(left) is None
    assert folder.store.find(newer) is not None
    assert {manifest.step for manifest in [folder.newest()] if manifest} == {3}


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
    assert folder.names() == {f"step-000000001-{ATTEMPT_1}.ckpt", f"step-000000001-{ATTEMPT_1}.json"}


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


def test_a_checkpoint_answers_the_newest_request_once(folder: CheckpointFolder):
    folder.write(1)
    assert folder.progress.report().checkpoint_request == ""
    for request in ("first", "second"):
        folder.progress.request_checkpoint(request)
    assert folder.writer.requested
    folder.writer.begin(2, state(2).content())
    assert not folder.writer.requested
    folder.progress.request_checkpoint("second")
    assert not folder.writer.requested
    folder.progress.request_checkpoint("third")
    folder.writer.wait()
    assert folder.progress.report().checkpoint_request == "second"
    assert folder.writer.requested
    folder.write(3)
    assert folder.progress.report().checkpoint_request == "third"
    folder.write(4)
    assert folder.progress.report().checkpoint_request == "third"


def test_a_request_is_not_answered_by_a_checkpoint_that_fails(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: Any) -> None:
        raise StoreUnreachable("no answer for 600 s")

    monkeypatch.setattr(folder.store, "upload", away)
    folder.progress.request_checkpoint("now")
    folder.writer.begin(1, state(1).content())
    with pytest.raises(StoreUnreachable):
        folder.writer.wait()
    assert folder.progress.report().checkpoint_request == ""
