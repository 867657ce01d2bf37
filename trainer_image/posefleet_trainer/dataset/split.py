"""The split of labelled frames into the sets that are trained on, validated on, and tested at the end.

The split is computed from the manifest and the prepared data wherever it is needed, and stored nowhere: all ranks,
attempts and stages of a job compute the same one.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

from posefleet_api.dataset import Split
from posefleet_trainer.dataset.prepared import FrameSet, LabelledFrame

SetName = Literal["train", "validation", "test", "outOfDistribution", "heldOut"]
#: The sets of frames that have labels of their own, which are not split.
_APART: dict[FrameSet, SetName] = {"outOfDistribution": "outOfDistribution", "heldOut": "heldOut"}
SET_NAMES: tuple[SetName, ...] = get_args(SetName)


def split_frames(frames: Sequence[LabelledFrame], split: Split, seed: int) -> list[SetName]:
    """Return the set of each frame.

    The set depends on the path of the frame, the seed, and the number of labelled frames, not on the order of
    ``frames``. Frames of labels that are only evaluated keep a set of their own. A percentage above 0 gives its
    set at least one frame, as long as one frame is left to train on; validation comes before test.
    """
    labelled = [place for place, frame in enumerate(frames) if frame.set == "labelled"]
    drawn = sorted(labelled, key=lambda place: _draw(frames[place].path, seed))
    validation = _count(split.validation_percent, len(labelled), len(labelled) - 1)
    test = _count(split.test_percent, len(labelled), len(labelled) - 1 - validation)
    sets: list[SetName] = [_APART.get(frame.set, "train") for frame in frames]
    for rank, place in enumerate(drawn):
        sets[place] = "validation" if rank < validation else "test" if rank < validation + test else "train"
    return sets


def frames_of_set(frames: Sequence[LabelledFrame], split: Split, seed: int, wanted: SetName) -> list[LabelledFrame]:
    """Return the frames of one set, in their order."""
    return [frame for frame, name in zip(frames, split_frames(frames, split, seed), strict=True) if name == wanted]


def _draw(path: str, seed: int) -> bytes:
    """Return a pseudo-random key to sort a frame by."""
    return hashlib.sha256(f"{seed}:{path}".encode()).digest()


def _count(percent: int, frames: int, most: int) -> int:
    """Return how many of ``frames`` frames a set with this percentage gets, at most ``most``."""
    wanted = max(1, round(percent * frames / 100)) if percent > 0 else 0
    return max(0, min(wanted, most))
