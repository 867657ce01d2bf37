from pathlib import Path
from typing import Any

import pytest
import torch

from posefleet_trainer.errors import StoreUnreachable
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.folder import FolderStore
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.checkpoints import CheckpointManifest, CheckpointWriter
from posefleet_trainer.training.resume import TrainingState, fetch_checkpoint, newest_checkpoint


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
