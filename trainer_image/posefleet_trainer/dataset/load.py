"""Prepared data, as training, prediction and the report get them."""

from posefleet_api.base import ApiModel
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.blobs import read_record
from posefleet_trainer.dataset.fingerprint import request_hash
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput

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
    prepared = read_record(context.prepared, pointer.key, Prepared)
    if prepared is None:
        raise InvalidInput(f"{context.prepared.uri}{pointer.key} is missing or damaged; run the stage prepare again")
    clip_length = context.job.spec.training.clip_length
    usable = [video for video in prepared.clip_videos if video.frames >= clip_length]
    return prepared.model_copy(update={"clip_videos": usable})


def _read_pointer(context: Context) -> Pointer:
    pointer = read_record(context.output, POINTER_KEY, Pointer)
    if pointer is None:
        problem = "does not exist or is damaged, so that the data are not prepared"
    elif pointer.request != request_hash(context.job.spec):
        problem = "belongs to another manifest"
    else:
        return pointer
    raise InvalidInput(f"{context.output.uri}{POINTER_KEY} {problem}; run the stage prepare first")
