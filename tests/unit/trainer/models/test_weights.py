from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.encoders import ENCODERS
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.models.weights import file_weights, load_given

IMAGE = Grid(64, 96)


def state_of(backbone: str = "mobilenetv3_small") -> dict[str, torch.Tensor]:
    """Names and shapes of timm's model, with its classifier, and random values.

    The values that timm itself draws take seconds for a large model.
    """
    with torch.device("meta"):
        names = timm.create_model(ENCODERS[backbone].timm_name, pretrained=False).state_dict()
    return {name: torch.rand(value.shape).to(value.dtype) for name, value in names.items()}


def refusal(path: Path, content: Any, backbone: str = "mobilenetv3_small") -> str:
    torch.save(content, path)
    with pytest.raises(InvalidInput) as refused:
        file_weights(path, f"s3://lab/{path.name}", backbone, IMAGE)
    return str(refused.value)


def test_safetensors_and_pth_files_are_read_in_and_out_of_wrappers(tmp_path: Path):
    state = state_of()
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "plain.pth")
    wrapped = {f"module.{name}": value for name, value in state.items() if "num_batches_tracked" not in name}
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "wrapped.pth")

    for name in ("w.safetensors", "plain.pth", "wrapped.pth"):
        loaded = file_weights(tmp_path / name, f"s3://lab/{name}", "mobilenetv3_small", IMAGE)
        assert torch.equal(loaded["conv_stem.weight"], state["conv_stem.weight"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04cos\nsystem\n."])
def test_a_file_that_holds_no_weights_is_invalid_input_by_its_uri(content: bytes, tmp_path: Path):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"s3://lab/w\.pth"):
        file_weights(tmp_path / "w.pth", "s3://lab/w.pth", "mobilenetv3_small", IMAGE)


@pytest.mark.parametrize(
    "backbone", ["resnet10t", "mobilenetv3_small", "efficientnet_b0", "convnext_tiny", "vit_small"]
)
def test_weights_of_timms_model_fit_every_kind_of_backbone_and_are_loaded(backbone: str, tmp_path: Path):
    torch.save(state := state_of(backbone), tmp_path / "w.pth")
    before = torch.get_rng_state()
    weights = file_weights(tmp_path / "w.pth", "s3://lab/w.pth", backbone, IMAGE)
    assert torch.equal(torch.get_rng_state(), before)
    loaded = PoseNetwork(backbone, IMAGE, 2, weights).backbone.features.state_dict()
    last = [name for name, value in loaded.items() if value.ndim == 4][-1]
    assert any(torch.equal(loaded[last], value) for value in state.values())


def test_names_that_fit_nothing_are_refused_with_their_number_and_examples(tmp_path: Path):
    said = refusal(tmp_path / "w.pth", {f"encoder.{name}": value for name, value in state_of().items()})
    assert said.startswith("model.weights: s3://lab/w.pth does not fit mobilenetv3_small: 0 of its 206 names fit; ")
    assert "missing are for example conv_stem.weight [16, 3, 3, 3], " in said
    assert "the file has for example encoder.conv_stem.weight [16, 3, 3, 3], " in said
    assert said.endswith("or set model.backbone to the network that it was written for")


def test_a_file_that_lacks_some_names_is_refused(tmp_path: Path):
    state = state_of()
    del state["blocks.1.0.conv_pw.weight"]
    said = refusal(tmp_path / "w.pth", state)
    assert "205 of its 206 names fit; missing are for example blocks.1.0.conv_pw.weight" in said


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path):
    state = state_of() | {"conv_stem.weight": torch.ones(16, 1, 3, 3)}
    said = refusal(tmp_path / "w.pth", state)
    assert (
        "205 of its 206 tensors have the right shape; conv_stem.weight has the shape [16, 1, 3, 3] in the file" in said
    )
    assert "and [16, 3, 3, 3] in the network" in said


def test_weights_of_another_backbone_are_refused(tmp_path: Path):
    assert "does not fit resnet18" in refusal(tmp_path / "w.pth", state_of("resnet10t"), "resnet18")


def test_a_start_from_another_job_must_have_the_same_network(tmp_path: Path):
    network, other = PoseNetwork("resnet10t", IMAGE, 2), PoseNetwork("resnet10t", IMAGE, 3)
    torch.save({"weights": other.state_dict(), "network_version": 1}, tmp_path / "model.pt")
    with pytest.raises(InvalidInput) as refused:
        load_given(tmp_path / "model.pt", "s3://lab/model.pt", network)
    assert str(refused.value).startswith("checkpoint.resumeFrom: s3://lab/model.pt cannot be used: ")
    assert "head.out.weight has the shape [3, 32, 1, 1] in the file and [2, 32, 1, 1] in the network" in str(
        refused.value
    )

    load_given(tmp_path / "model.pt", "s3://lab/model.pt", again := PoseNetwork("resnet10t", IMAGE, 3))
    assert torch.equal(again.head.out.weight, other.head.out.weight)


@pytest.mark.parametrize("content", [{"model": {}}, {"weights": 3}, [1]])
def test_a_file_that_is_no_checkpoint_is_refused(content: Any, tmp_path: Path):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(
        InvalidInput, match=r"checkpoint.resumeFrom: s3://lab/model.pt cannot be used: .*; name a check"
    ):
        load_given(tmp_path / "model.pt", "s3://lab/model.pt", PoseNetwork("resnet10t", IMAGE, 2))


def test_a_start_of_another_version_of_the_network_is_refused_with_what_to_do(tmp_path: Path):
    network = PoseNetwork("resnet10t", IMAGE, 2)
    torch.save({"weights": network.state_dict(), "network_version": 0}, tmp_path / "model.pt")
    with pytest.raises(InvalidInput, match=r"network has version 0, and .* version 1: use the former image"):
        load_given(tmp_path / "model.pt", "s3://lab/model.pt", network)
