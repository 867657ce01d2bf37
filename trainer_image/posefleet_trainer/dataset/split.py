"""Which labelled frames train, which measure, which are kept for the end."""

import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

from posefleet_api.dataset import Split
from posefleet_trainer.dataset.prepared import LabelledFrame

SetName = Literal["train", "validation", "test", "outOfDistribution"]
SET_NAMES: tuple[SetName, ...] = get_args(SetName)


def split_frames(frames: Sequence[LabelledFrame], split: Split, seed: int) -> list[SetName]:
    """The set of each frame: a function of its path, the seed, and how many frames there are, not of their order.

    A share above 0 gives at least one frame as long as one is left to train on.
    """
    labelled = [place for place, frame in enumerate(frames) if frame.set == "labelled"]
    drawn = sorted(labelled, key=lambda place: _draw(frames[place].path, seed))
    validation = _count(split.validation, len(labelled), len(labelled) - 1)
    test = _count(split.test, len(labelled), len(labelled) - 1 - validation)
    sets: list[SetName] = ["outOfDistribution"] * len(frames)
    for rank, place in enumerate(drawn):
        sets[place] = "validation" if rank < validation else "test" if rank < validation + test else "train"
    return sets


def _draw(path: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{path}".encode()).digest()


def _count(share: float, frames: int, most: int) -> int:
    wanted = max(1, round(share * frames)) if share > 0 else 0
    return max(0, min(wanted, most))
