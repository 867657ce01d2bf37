from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models import backbones
from posefleet_trainer.models.backbones import file_weights, hub_weights

STATE = {"layer.weight": torch.ones(2, 3)}


def test_safetensors_and_pth_files_are_read_in_and_out_of_wrappers(tmp_path: Path):
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "plain.pth")
    torch.save({"state_dict": {"module.layer.weight": STATE["layer.weight"]}, "epoch": 3}, tmp_path / "wrapped.pth")

    for name in ("w.safetensors", "plain.pth", "wrapped.pth"):
        loaded = file_weights(tmp_path / name, f"s3://lab/{name}")
        assert torch.equal(loaded["layer.weight"], STATE["layer.weight"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04cos\nsystem\n."])
def test_a_file_that_holds_no_weights_is_invalid_input_by_its_uri(content: bytes, tmp_path: Path):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"s3://lab/w\.pth"):
        file_weights(tmp_path / "w.pth", "s3://lab/w.pth")


def test_an_unreachable_hub_is_invalid_input_that_names_the_way_out(monkeypatch, tmp_path: Path):
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(timm, "create_model", unreachable)
    assert backbones.timm is timm
    with pytest.raises(InvalidInput, match=r"model.weights to none, or to the s3://"):
        hub_weights("resnet18", tmp_path)
