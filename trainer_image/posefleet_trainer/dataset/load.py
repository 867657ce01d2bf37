"""Prepared data, as training, prediction and the report get them."""

from pydantic import ValidationError

from posefleet_api.base import ApiModel
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.fingerprint import request_hash
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store

#: In the output folder: which prepared data the job has. All its attempts use the same, even if the project folder
#: changes meanwhile.
POINTER_KEY = "prepared.json"


class Pointer(ApiModel):
    """What prepare notes in the output folder."""

    request: str
    """``request_hash`` of the manifest."""
    key: str
    """The prepared data, inside ``output.cacheUri``."""


def load_prepared(context: Context) -> Prepared:
    """What prepare left for this job; without the videos that are shorter than a clip.

    Raises:
        InvalidInput: prepare has not run for this manifest, or its files are gone.
    """
    pointer = _read_pointer(context)
    prepared = read_prepared(context.prepared, pointer.key)
    if prepared is None:
        raise InvalidInput(f"{context.prepared.uri}{pointer.key} is missing or damaged; run the stage prepare again")
    clip_length = context.job.spec.training.clip_length
    usable = [video for video in prepared.clip_videos if video.frames >= clip_length]
    return prepared.model_copy(update={"clip_videos": usable})


def read_prepared(store: Store, key: str) -> Prepared | None:
    """The prepared data at ``key``; None if they are not there, or not of this version."""
    if store.find(key) is None:
        return None
    try:
        return Prepared.model_validate_json(store.read(key))
    except ValidationError:
        return None


def _read_pointer(context: Context) -> Pointer:
    uri = f"{context.output.uri}{POINTER_KEY}"
    if context.output.find(POINTER_KEY) is None:
        raise InvalidInput(f"{uri} does not exist: the data are not prepared; run the stage prepare first")
    try:
        pointer = Pointer.model_validate_json(context.output.read(POINTER_KEY))
    except ValidationError:
        raise InvalidInput(f"{uri} is damaged; run the stage prepare again") from None
    if pointer.request != request_hash(context.job.spec):
        raise InvalidInput(f"{uri} belongs to another manifest; run the stage prepare again")
    return pointer
