"""Weights from files: reading them, and comparing their names and shapes with the network that they are for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from posefleet_trainer.errors import InvalidInput, first_line
from posefleet_trainer.models.backbones import Backbone, timm_name_of
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.encoders import ENCODERS
from posefleet_trainer.models.manifest import NETWORK_VERSION, other_version
from posefleet_trainer.models.network import PoseNetwork

Weights = dict[str, torch.Tensor]

#: Keys under which training programs wrap a model's state in their files, outermost first.
_WRAPPERS = ("state_dict", "model", "state_dict_ema")
#: Counters of batch normalisation, which old files do not have and nothing depends on.
_OPTIONAL_SUFFIX = "num_batches_tracked"
#: As many names are given as examples in a message.
_EXAMPLES = 3


def file_weights(path: Path, uri: str, backbone: str, image: Grid) -> Weights:
    """Read the weights of a backbone from a .safetensors or .pth file, without executing anything in it.

    Args:
        path: the file on this node.
        uri: where it came from; decides the format and is named in errors.
        backbone: a key of ``ENCODERS``.
        image: size of the images that the network reads.

    Raises:
        InvalidInput: the file cannot be read, holds no tensors, lacks a tensor of the backbone, or has one of another
            shape.
    """
    try:
        content = _read(path, uri)
    except Exception as error:
        raise InvalidInput(f"model.weights: {uri} cannot be read as a weights file: {first_line(error)}") from error
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    state = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise InvalidInput(f"model.weights: {uri} holds no weights: it must map names to tensors")
    weights = {name.removeprefix("module.").removeprefix("backbone."): value for name, value in state.items()}
    expected = _expected(backbone, image)
    if problem := _difference(expected, weights, resizable=ENCODERS[backbone].resizable):
        raise InvalidInput(
            f"model.weights: {uri} does not fit {backbone}: {problem}; give a file with the weights of timm's "
            f"{ENCODERS[backbone].timm_name}, or set model.backbone to the network that it was written for"
        )
    return weights


def load_given(path: Path, uri: str, network: PoseNetwork) -> None:
    """Load the weights of ``checkpoint.resumeFrom``, the checkpoint or the model of another job, into ``network``.

    Args:
        path: the file on this node.
        uri: where it came from.
        network: as the manifest describes it.

    Raises:
        InvalidInput: the file cannot be read, or is of another network or version of the network.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        weights, version = content["weights"], int(content["network_version"])
        given = {name: value for name, value in weights.items() if isinstance(value, torch.Tensor)}
    except Exception as error:
        raise InvalidInput(f"{_cannot_be_used(uri)}: {first_line(error)}; {_REMEDY}") from error
    if version != NETWORK_VERSION:
        raise InvalidInput(f"checkpoint.resumeFrom: {other_version(uri, version)}")
    if problem := _difference(network.state_dict(), given):
        raise InvalidInput(f"{_cannot_be_used(uri)}: {problem}; {_REMEDY}")
    network.load_state_dict(given)


_REMEDY = "name a checkpoint or model.pt of a job with the same model and keypoints"


def _cannot_be_used(uri: str) -> str:
    return f"checkpoint.resumeFrom: {uri} cannot be used"


def _expected(backbone: str, image: Grid) -> Weights:
    """Return the tensors of ``backbone`` by the names that they have in timm's own files."""
    # The weights that are drawn here must not change those that are drawn later.
    with torch.random.fork_rng(devices=[]):
        state = Backbone(backbone, image).features.state_dict()
    return {timm_name_of(name): value for name, value in state.items() if not name.endswith(_OPTIONAL_SUFFIX)}


def _difference(expected: Mapping[str, Any], given: Mapping[str, Any], resizable: tuple[str, ...] = ()) -> str:
    """Return what keeps ``given`` from being loaded in the place of ``expected``; empty if nothing does."""
    missing = [name for name in expected if name not in given]
    if missing:
        others = [name for name in given if name not in expected] or list(given)
        return (
            f"{len(expected) - len(missing)} of its {len(expected)} names fit; missing are for example "
            f"{_examples(missing, expected)}, and the file has for example {_examples(others, given)}"
        )
    other = [name for name in expected if given[name].shape != expected[name].shape and name not in resizable]
    if other:
        name = other[0]
        return (
            f"{len(expected) - len(other)} of its {len(expected)} tensors have the right shape; {name} has the shape "
            f"{list(given[name].shape)} in the file and {list(expected[name].shape)} in the network"
        )
    return ""


def _examples(names: list[str], tensors: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {list(tensors[name].shape)}" for name in names[:_EXAMPLES])


def _read(path: Path, uri: str) -> dict[str, Any]:
    if uri.endswith(".safetensors"):
        from safetensors.torch import load_file

        return dict(load_file(path))
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise TypeError("not a dictionary")
    return content
