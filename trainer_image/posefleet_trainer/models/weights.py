"""What a backbone starts from: a public hub, a file, or nothing."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.backbones import ENCODERS

_log = logging.getLogger(__name__)
#: Wrappers in which training programs leave a state, outermost first.
_WRAPPERS = ("state_dict", "model", "state_dict_ema")


def hub_weights(backbone: str, directory: Path) -> dict[str, torch.Tensor]:
    """ImageNet weights of ``backbone`` from timm's public hub, kept in ``directory``.

    Raises:
        InvalidInput: the hub cannot be reached.
    """
    name = ENCODERS[backbone].timm_name
    try:
        model = timm.create_model(name, pretrained=True, cache_dir=directory)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInput(
            f"model.weights: imagenet needs the public hub for {name}, which cannot be reached from here ({reason}); "
            "set model.weights to none, or to the s3:// URI of a weights file (.safetensors or .pth) in your store"
        ) from error
    state: dict[str, torch.Tensor] = model.state_dict()
    return state


def file_weights(path: Path, uri: str) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors or .pth file; nothing in it is executed.

    Raises:
        InvalidInput: not such a file.
    """
    try:
        content = _read(path, uri)
    except Exception as error:
        raise InvalidInput(f"model.weights: {uri} cannot be read as a weights file: {error}") from error
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    state = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise InvalidInput(f"model.weights: {uri} holds no weights: it must map names to tensors")
    return {name.removeprefix("module.").removeprefix("backbone."): value for name, value in state.items()}


def _read(path: Path, uri: str) -> dict[str, Any]:
    if uri.endswith(".safetensors"):
        from safetensors.torch import load_file

        return dict(load_file(path))
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise TypeError("not a dictionary")
    return content
