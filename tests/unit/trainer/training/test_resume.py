import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models import manifest as manifests
from posefleet_trainer.training import resume
from posefleet_trainer.training.checkpoint_files import CheckpointManifest
from posefleet_trainer.training.resume import fetch_checkpoint, read_checkpoint
from unit.trainer.training.checkpoint_folder import ATTEMPT_1, CheckpointFolder, state


def test_the_newest_checkpoint_is_found_whole(folder: CheckpointFolder):
    folder.write(3, 7)
    manifest = folder.newest()
    assert manifest is not None
    assert manifest.step == 7
    found = fetch_checkpoint(folder.store, folder.cache, manifest)
    assert found.samples == 56
    assert torch.equal(found.weights["w"], torch.full((3,), 7.0))
    assert torch.equal(found.optimizer["state"][0]["step"], torch.tensor(7.0))


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-20], lambda content: content[:40] + b"\x00" + content[41:], lambda _: b""]
)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage: Any, folder: CheckpointFolder):
    folder.write(1, 2)
    key = f"checkpoints/step-000000002-{ATTEMPT_1}.ckpt"
    folder.store.write(key, damage(folder.store.read(key)))

    manifest = folder.newest()

    assert manifest is not None
    assert manifest.step == 1
    (warning,) = folder.progress.report().warnings
    assert f"step-000000002-{ATTEMPT_1}.ckpt" in warning


def test_a_checkpoint_whose_manifest_was_never_written_does_not_count(folder: CheckpointFolder):
    folder.write(1, 2)
    folder.store.delete(f"checkpoints/step-000000002-{ATTEMPT_1}.json")
    manifest = folder.newest()
    assert manifest is not None
    assert manifest.step == 1


def test_a_damaged_manifest_is_passed_over(folder: CheckpointFolder):
    folder.write(1)
    folder.store.write(f"checkpoints/step-000000009-{ATTEMPT_1}.json", b'{"step": 9')
    manifest = folder.newest()
    assert manifest is not None
    assert manifest.step == 1
    assert any(f"step-000000009-{ATTEMPT_1}.json" in warning for warning in folder.progress.report().warnings)


def test_a_damaged_manifest_hides_no_other_checkpoint(folder: CheckpointFolder):
    folder.write(1, 2)
    if "latest.json" in folder.names():
        folder.store.delete("checkpoints/latest.json")
    folder.store.write(f"checkpoints/{manifest_name(folder, 1)}", b"damaged")
    manifest = folder.newest()
    assert manifest is not None
    assert manifest.step == 2


def test_a_newer_checkpoint_of_another_training_hides_none_of_this_one(folder: CheckpointFolder):
    folder.write(1, 2)
    for name in {manifest_name(folder, 2), "latest.json"} & folder.names():
        content = folder.store.read(f"checkpoints/{name}").replace(b"this training", b"another training")
        folder.store.write(f"checkpoints/{name}", content)
    manifest = folder.newest()
    assert manifest is not None
    assert manifest.step == 1


def manifest_name(folder: CheckpointFolder, step: int) -> str:
    """The name of the manifest of the checkpoint after ``step`` steps."""
    return next(name for name in folder.names() if name.startswith(f"step-{step:09d}") and name.endswith(".json"))


def test_a_manifest_under_another_name_is_ignored(folder: CheckpointFolder):
    folder.write(1)
    later = CheckpointManifest.model_validate_json(folder.store.read(f"checkpoints/step-000000001-{ATTEMPT_1}.json"))
    later = later.model_copy(update={"step": 9, "key": "checkpoints/copy-of-9.ckpt"})
    folder.store.write("checkpoints/copy-of-9.ckpt", folder.store.read(f"checkpoints/step-000000001-{ATTEMPT_1}.ckpt"))
    folder.store.write("checkpoints/copy-of-9.json", later.to_json().encode())
    folder.store.write("checkpoints/notes.txt", b"not a manifest")

    manifest = folder.newest()

    assert manifest is not None
    assert manifest.step == 1
    assert folder.progress.report().warnings == []


def test_checkpoints_of_another_training_are_left_alone_until_this_one_has_its_own(folder: CheckpointFolder):
    folder.write(5)
    assert folder.newest("another training") is None
    assert any("another manifest" in warning for warning in folder.progress.report().warnings)
    folder.write(2)
    assert f"step-000000005-{ATTEMPT_1}.ckpt" not in folder.names()


def test_a_checkpoint_of_another_network_is_refused_and_one_of_another_training_is_not(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
):
    folder.write(8)
    for reader in (resume, manifests):
        monkeypatch.setattr(reader, "NETWORK_VERSION", 2)
    with pytest.raises(InvalidInput, match=r"step-.* network has version 1, and .* version 2: use the former image"):
        folder.newest()
    assert folder.newest("another training") is None


def test_an_empty_folder_holds_no_checkpoint_and_warns_of_nothing(folder: CheckpointFolder):
    assert folder.newest() is None
    assert folder.progress.report().warnings == []


def test_a_checkpoint_of_another_format_is_refused(tmp_path: Path):
    for format_ in ("posefleet-checkpoint-2", None):
        torch.save({**state(1).content(), "format": format_}, tmp_path / "other.ckpt")
        with pytest.raises(ValueError, match="not a checkpoint of this version"):
            read_checkpoint(tmp_path / "other.ckpt")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_checkpoint_that_was_read_may_be_evicted(damaged: bool, folder: CheckpointFolder):
    folder.write(1)
    if damaged:
        folder.store.write(f"checkpoints/step-000000001-{ATTEMPT_1}.ckpt", b"other")
        manifest = CheckpointManifest.model_validate_json(
            folder.store.read(f"checkpoints/step-000000001-{ATTEMPT_1}.json")
        )
        broken = manifest.model_copy(update={"bytes": 5, "sha256": hashlib.sha256(b"other").hexdigest()})
        with pytest.raises(ValueError, match="cannot be read"):
            fetch_checkpoint(folder.store, folder.cache, broken)
    else:
        assert folder.newest() is not None
    assert not any(folder.cache._pins.values())
