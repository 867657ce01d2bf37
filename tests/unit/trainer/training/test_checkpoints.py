import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from posefleet_trainer.errors import StoreUnreachable
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.folder import FolderStore
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training import checkpoints
from posefleet_trainer.training.checkpoints import CheckpointManifest, CheckpointWriter
from posefleet_trainer.training.resume import TrainingState, fetch_checkpoint, newest_checkpoint, read_checkpoint


class Desk:
    """A store, a cache, and what is written to and read from them."""

    def __init__(self, root: Path, keep: int = 3) -> None:
        self.store = FolderStore(root / "output")
        self.cache = NodeCache(root / "cache", 10**8)
        self.progress = ProgressTracker(attempt=1)
        self.writer = CheckpointWriter(self.store, root, keep, "this training", self.progress)

    def write(self, *steps: int) -> None:
        for step in steps:
            self.writer.begin(step, state(step).content())
        self.writer.wait()

    def newest(self, fingerprint: str = "this training") -> CheckpointManifest | None:
        return newest_checkpoint(self.store, self.cache, fingerprint, self.progress)

    def names(self) -> set[str]:
        return {stored.key.removeprefix("checkpoints/") for stored in self.store.list("checkpoints/")}


def state(step: int) -> TrainingState:
    return TrainingState(
        samples=step * 8,
        weights={"w": torch.full((3,), float(step))},
        optimizer={"state": {0: {"step": torch.tensor(float(step))}}, "param_groups": [{"lr": 0.1}]},
        history={"records": [], "sums": {}, "steps": step},
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_newest_checkpoint_is_found_whole(desk: Desk):
    desk.write(3, 7)
    manifest = desk.newest()
    assert manifest is not None
    assert manifest.step == 7
    found = fetch_checkpoint(desk.store, desk.cache, manifest)
    assert found.samples == 56
    assert torch.equal(found.weights["w"], torch.full((3,), 7.0))
    assert torch.equal(found.optimizer["state"][0]["step"], torch.tensor(7.0))


def test_only_the_newest_few_stay(desk: Desk):
    desk.write(1, 2, 3, 4, 5)
    assert desk.names() == {"latest.json"} | {
        f"step-00000000{n}.{kind}" for n in (3, 4, 5) for kind in ("ckpt", "json")
    }


def test_latest_json_names_the_newest_and_progress_tells_of_it(desk: Desk):
    desk.write(1, 2)
    latest = CheckpointManifest.model_validate_json(desk.store.read("checkpoints/latest.json"))
    saved = desk.progress.report().last_checkpoint
    assert saved is not None
    assert (latest.step, saved.step) == (2, 2)
    assert saved.sha256 == latest.sha256
    assert saved.uri.endswith("checkpoints/step-000000002.ckpt")


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-20], lambda content: content[:40] + b"\x00" + content[41:], lambda _: b""]
)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage: Any, desk: Desk):
    desk.write(1, 2)
    key = "checkpoints/step-000000002.ckpt"
    desk.store.write(key, damage(desk.store.read(key)))

    manifest = desk.newest()

    assert manifest is not None
    assert manifest.step == 1
    (warning,) = desk.progress.report().warnings
    assert "step-000000002.ckpt" in warning


def test_a_checkpoint_whose_manifest_was_never_written_does_not_count(desk: Desk):
    desk.write(1, 2)
    desk.store.delete("checkpoints/step-000000002.json")
    desk.store.delete("checkpoints/latest.json")
    manifest = desk.newest()
    assert manifest is not None
    assert manifest.step == 1


def test_a_damaged_manifest_is_passed_over(desk: Desk):
    desk.write(1)
    desk.store.write("checkpoints/step-000000009.json", b'{"step": 9')
    manifest = desk.newest()
    assert manifest is not None
    assert manifest.step == 1
    assert any("step-000000009.json" in warning for warning in desk.progress.report().warnings)


def test_checkpoints_of_another_training_are_left_alone_until_this_one_has_its_own(desk: Desk):
    desk.write(5)
    assert desk.newest("another training") is None
    assert any("another manifest" in warning for warning in desk.progress.report().warnings)
    desk.write(2)
    assert "step-000000005.ckpt" not in desk.names()


def test_an_empty_folder_holds_no_checkpoint_and_warns_of_nothing(desk: Desk):
    assert desk.newest() is None
    assert desk.progress.report().warnings == []


def test_a_store_that_stays_away_is_noticed_by_training(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def away(*_: Any) -> None:
        raise StoreUnreachable("no answer for 600 s")

    monkeypatch.setattr(desk.store, "upload", away)
    desk.writer.begin(1, state(1).content())
    with pytest.raises(StoreUnreachable):
        desk.writer.wait()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_failure_is_raised_when_the_next_checkpoint_begins(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def away(*_: Any) -> None:
        raise StoreUnreachable("no answer for 600 s")

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "upload", away)
        desk.writer.begin(1, state(1).content())
        wait_until(lambda: not desk.writer.busy)
        assert desk.writer.failed()
    with pytest.raises(StoreUnreachable):
        desk.writer.begin(2, state(2).content())
    assert not desk.writer.failed()
    desk.write(3)
    assert desk.newest() is not None
    assert not desk.writer.failed()


def test_a_writer_is_busy_until_its_checkpoint_is_in_the_store(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    upload, gate = desk.store.upload, threading.Event()

    def gated(*arguments: Any) -> None:
        assert gate.wait(10)
        upload(*arguments)

    monkeypatch.setattr(desk.store, "upload", gated)
    assert not desk.writer.busy
    desk.writer.begin(1, state(1).content())
    assert desk.writer.busy
    assert not desk.writer.failed()
    gate.set()
    desk.writer.wait()
    assert not desk.writer.busy
    assert desk.names() == {"latest.json", "step-000000001.ckpt", "step-000000001.json"}


def test_a_slow_checkpoint_is_warned_of_and_a_quick_one_is_not(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    upload, gate = desk.store.upload, threading.Event()
    monkeypatch.setattr(desk.store, "upload", lambda *arguments: gate.wait(10) and upload(*arguments))
    desk.writer.begin(1, state(1).content())
    desk.writer.failed()
    assert desk.progress.report().warnings == []
    monkeypatch.setattr(checkpoints, "_SLOW_SECONDS", 0.0)
    desk.writer.failed()
    assert len(desk.progress.report().warnings) == 1
    gate.set()
    desk.writer.wait()


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path):
    for format_ in ("posefleet-checkpoint-2", None):
        torch.save({**state(1).content(), "format": format_}, tmp_path / "other.ckpt")
        with pytest.raises(ValueError, match="not a checkpoint of this version"):
            read_checkpoint(tmp_path / "other.ckpt")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_checkpoint_that_was_read_may_be_evicted(damaged: bool, desk: Desk):
    desk.write(1)
    if damaged:
        desk.store.write("checkpoints/step-000000001.ckpt", b"other")
        manifest = CheckpointManifest.model_validate_json(desk.store.read("checkpoints/latest.json"))
        broken = manifest.model_copy(update={"bytes": 5, "sha256": hashlib.sha256(b"other").hexdigest()})
        with pytest.raises(ValueError, match="cannot be read"):
            fetch_checkpoint(desk.store, desk.cache, broken)
    else:
        assert desk.newest() is not None
    assert not any(desk.cache._pins.values())


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
