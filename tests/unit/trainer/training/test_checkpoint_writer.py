"""How the writer of checkpoints works in the background: its warnings, its metrics, its end, and what it writes."""

import errno
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from posefleet_trainer.errors import TrainerError
from posefleet_trainer.telemetry.metrics import CHECKPOINT_SECONDS
from posefleet_trainer.training import checkpoints
from posefleet_trainer.training.checkpoints import CheckpointManifest
from unit.trainer.training.checkpoint_folder import CheckpointFolder, state


class GatedUploads:
    """Holds the uploads of a folder back until ``gate`` is set, by a clock that the test sets."""

    def __init__(self, folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = threading.Event()
        self.now = 1000.0
        self.threads: list[str] = []
        upload = folder.store.upload

        def gated(*arguments: Any) -> None:
            self.threads.append(threading.current_thread().name)
            assert self.gate.wait(5)
            upload(*arguments)

        monkeypatch.setattr(folder.store, "upload", gated)
        monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def uploads(folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> GatedUploads:
    return GatedUploads(folder, monkeypatch)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def warnings(folder: CheckpointFolder) -> list[str]:
    folder.writer.failed()
    return folder.progress.report().warnings


def observed_seconds() -> float:
    return next(s.value for s in next(iter(CHECKPOINT_SECONDS.collect())).samples if s.name.endswith("_sum"))


def test_a_checkpoint_that_uploads_for_more_than_a_minute_is_warned_of(folder: CheckpointFolder, uploads: GatedUploads):
    folder.writer.begin(1, state(1).content())
    uploads.now += 60.0
    assert warnings(folder) == []
    uploads.now += 0.5
    (warning,) = warnings(folder)
    assert warning.startswith(f"a checkpoint has been uploading to {folder.store.uri}checkpoints/ for more than 60 s")
    uploads.gate.set()
    folder.writer.wait()


def test_a_checkpoint_that_was_written_is_neither_slow_nor_failed_however_much_later(
    folder: CheckpointFolder, uploads: GatedUploads
):
    uploads.gate.set()
    folder.writer.begin(1, state(1).content())
    wait_until(lambda: not folder.writer.busy)
    uploads.now += 3600.0
    assert not folder.writer.failed()
    assert folder.progress.report().warnings == []
    folder.writer.wait()


def test_the_time_from_the_beginning_to_the_end_of_a_checkpoint_is_measured(
    folder: CheckpointFolder, uploads: GatedUploads
):
    before = observed_seconds()
    folder.writer.begin(1, state(1).content())
    uploads.now += 30.0
    uploads.gate.set()
    folder.writer.wait()
    assert observed_seconds() - before == pytest.approx(30.0)


def test_checkpoints_are_uploaded_by_a_thread_that_is_named_after_them(folder: CheckpointFolder, uploads: GatedUploads):
    uploads.gate.set()
    folder.write(1)
    assert [name.partition("_")[0] for name in uploads.threads] == ["checkpoint"]


@pytest.mark.parametrize(
    ("error", "free", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2**30, "is full"),
        (RuntimeError("unexpected pos 64 vs 0"), 1000, "is full"),
        (RuntimeError("unexpected pos 64 vs 0"), 2**30, "unexpected pos"),
    ],
    ids=["no space", "torch without space", "torch with space"],
)
def test_a_full_disk_is_named(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch, error: Exception, free: int, expected: str
):
    def fail(_content: dict[str, Any], _path: Path) -> None:
        raise error

    monkeypatch.setattr(checkpoints.torch, "save", fail)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    folder.writer.begin(1, state(1).content())
    with pytest.raises((TrainerError, RuntimeError), match=expected) as raised:
        folder.writer.wait()
    assert isinstance(raised.value, TrainerError) == (expected == "is full")


def test_closing_does_not_wait_for_a_checkpoint_and_allows_no_further_one(
    folder: CheckpointFolder, uploads: GatedUploads
):
    folder.writer.begin(1, state(1).content())
    folder.writer.close()
    assert folder.newest() is None
    uploads.gate.set()
    folder.writer.wait()
    assert folder.newest() is not None
    with pytest.raises(RuntimeError, match="after shutdown"):
        folder.writer.begin(2, state(2).content())


def test_a_manifest_is_json_and_says_where_and_when_its_checkpoint_was_written(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
):
    write, written = folder.store.write, []

    def write_noting_the_type(key: str, content: bytes, content_type: str = "") -> None:
        written.append(content_type)
        write(key, content, content_type)

    monkeypatch.setattr(folder.store, "write", write_noting_the_type)
    folder.write(1)
    assert set(written) == {"application/json"}
    manifest = folder.newest()
    assert isinstance(manifest, CheckpointManifest)
    assert manifest.uri == f"{folder.store.uri}{manifest.key}"
    ended = datetime.fromisoformat(manifest.time)
    assert ended.utcoffset() == timedelta(0)
    assert ended.microsecond == 0
    assert len(manifest.time) == len("2026-01-31T12:00:00+00:00")
    assert abs(datetime.now(UTC) - ended) < timedelta(minutes=1)
