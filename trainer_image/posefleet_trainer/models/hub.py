"""Pretrained weights from timm's public hub: asking for them before a GPU is taken, and downloading them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

from posefleet_trainer.errors import InvalidInput, StoreUnreachable, first_line
from posefleet_trainer.models.encoders import ENCODERS

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

#: What the HTTP client below huggingface_hub raises: its own errors, and those of the operating system.
_NETWORK_ERRORS: tuple[type[Exception], ...] = (OSError, HfHubHTTPError.__bases__[0], EntryNotFoundError)
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_FILE_NAME = "model.safetensors"
#: HTTP statuses that say that the request should be repeated. Other statuses from 400 to 499 are final.
_TEMPORARY_STATUS = frozenset({408, 425, 429})
_REMEDY = "set model.weights to none, or to the s3:// URI of a weights file (.safetensors or .pth) in your store"


def hub_weights(
    backbone: str, directory: Path, patience_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> dict[str, torch.Tensor]:
    """Download the ImageNet weights of ``backbone``; ``directory`` keeps them.

    Args:
        backbone: a key of ``ENCODERS``.
        directory: on this node.
        patience_seconds: how long the download is repeated, from its beginning, while the hub does not answer.
        sleep: waits for a number of seconds.

    Raises:
        StoreUnreachable: the hub did not answer in this time.
        InvalidInput: the hub does not have these weights.
    """
    # The stage prepare loads this module, and no torch.
    import timm

    name = ENCODERS[backbone].timm_name
    model = _repeated(
        name, patience_seconds, sleep, lambda: timm.create_model(name, pretrained=True, cache_dir=directory)
    )
    state: dict[str, torch.Tensor] = model.state_dict()
    return state


def check_hub(
    backbone: str, directory: Path, patience_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Ask whether ``hub_weights`` would find the weights of ``backbone``, without downloading them.

    The arguments and errors are those of ``hub_weights``.
    """
    repository = ENCODERS[backbone].hub_repository
    if isinstance(try_to_load_from_cache(repository, _FILE_NAME, cache_dir=directory), str):
        return
    url = hf_hub_url(repository, _FILE_NAME)
    _repeated(
        ENCODERS[backbone].timm_name,
        patience_seconds,
        sleep,
        lambda: get_hf_file_metadata(url, timeout=_ANSWER_SECONDS),
    )


def _repeated(name: str, patience_seconds: float, sleep: Callable[[float], None], work: Callable[[], T]) -> T:
    """Call ``work`` until the hub answers, with pauses that double."""
    deadline, delay = time.monotonic() + patience_seconds, _FIRST_DELAY_SECONDS
    while True:
        try:
            return work()
        except _NETWORK_ERRORS as error:
            reason = first_line(error)
            if _is_final(error):
                raise InvalidInput(
                    f"model.weights: imagenet needs {name}, which the hub does not give ({reason}); {_REMEDY}"
                ) from error
            if time.monotonic() >= deadline:
                raise StoreUnreachable(
                    f"model.weights: imagenet needs the public hub for {name}, which has not answered for "
                    f"{patience_seconds:.0f} s ({reason}); {_REMEDY}"
                ) from error
        sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY_SECONDS)


def _is_final(error: Exception) -> bool:
    """Return whether the hub has answered that it does not have the file, or does not give it."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return 400 <= status < 500 and status not in _TEMPORARY_STATUS
    return isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
