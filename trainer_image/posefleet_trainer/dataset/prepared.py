"""The records of a prepared data set, and the numbers of its keypoints.

The stage prepare writes these records as JSON to the prepared-data folder (``output.cacheUri``); every later stage
reads them instead of the project folder.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import StoredObject

#: Part of the content hash of prepared data: increase it when the meaning of a field below changes.
FORMAT_VERSION = 2

FrameSet = Literal["labelled", "outOfDistribution", "heldOut"]
"""What labels are used for: to train and to measure, or to measure alone (see ``LabelledFrame.set``)."""
Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class StoredFile(ApiModel):
    """A file in the prepared-data folder. Its key contains the hash of its content."""

    key: str
    size_bytes: int
    sha256: str


class SourceFile(ApiModel):
    """A file of the project folder, as the stage prepare found it."""

    path: str
    """The path inside the project folder."""
    size_bytes: int
    etag: str
    """The store's entity tag, which changes with the content."""

    def stored(self) -> StoredObject:
        """Return the file as its store lists it."""
        return StoredObject(self.path, self.size_bytes, self.etag)


class LabelledFrame(ApiModel):
    """A frame with at least one usable label."""

    path: str
    """The path of its picture inside the project folder, as the labels file has it."""
    width: int
    height: int
    points: list[Point | None]
    """(x, y) for each keypoint in pixel-centre coordinates of the frame; None where a keypoint is not labelled, or is
    in ``occluded``."""
    occluded: list[int] = []
    """The numbers of the keypoints of which the labels say that they cannot be seen."""
    set: FrameSet
    """Which labels the frame comes from: those that train (labelled), or Lightning Pose's files with ``_new``
    (outOfDistribution) or ``_test`` (heldOut) in their names."""


class Video(ApiModel):
    """A video of the project folder, with its index and, if training reads clips of it, its proxy."""

    source: SourceFile
    width: int
    height: int
    frames: int
    frames_per_second: float
    proxy: StoredFile | None = None
    """The video at training size with short groups of pictures; only for videos that the unsupervised losses read."""
    proxy_index: StoredFile | None = None
    """The ``VideoIndex`` of the proxy."""
    index: StoredFile
    """The ``VideoIndex`` of the source video (an ``.npz`` file, see ``video/index.py``)."""

    def files(self) -> list[StoredFile]:
        """Return the stored files that belong to this video."""
        return [file for file in (self.index, self.proxy, self.proxy_index) if file is not None]


class Prepared(ApiModel):
    """A data set that has been checked, with all its files in the prepared-data folder."""

    format: str
    """The format of the project folder, as ``spec.dataset.format`` names it."""
    keypoints: list[str]
    """The keypoints that are trained: those of which a training frame has a usable label."""
    columns: list[str]
    """All keypoints that the labels name, in their order. Numbers of keypoints in a manifest refer to these."""
    skeleton: list[list[str]] = []
    """Pairs of ``keypoints`` that the project joins by lines."""
    frames: list[LabelledFrame]
    frames_archive: StoredFile
    """An uncompressed tar with the original picture of every frame; its member names are ``LabelledFrame.path``."""
    clip_videos: list[Video]
    """The videos of ``dataset.videos``, which the unsupervised losses read; empty if no such loss is on."""
    predict_videos: list[Video]
    """The videos of ``predict.videos``."""
    warnings: list[str]
    """One sentence for each kind of label or frame that was left out."""

    def files(self) -> list[StoredFile]:
        """Return all the stored files of this data set."""
        videos = [*self.clip_videos, *self.predict_videos]
        return [self.frames_archive, *(file for video in videos for file in video.files())]

    def numbers_of(self, references: Sequence[str | int], field: str) -> list[int]:
        """Return the numbers among ``keypoints`` of those that a field of the manifest refers to.

        Raises:
            InvalidInput: there is no such keypoint, or no frame has a label of it.
        """
        names = [self.columns[number] for number in keypoint_numbers(references, self.columns, field)]
        if never := [name for name in names if name not in self.keypoints]:
            raise InvalidInput(
                f"{field} names {', '.join(never)}, of which no training frame has a usable label; label some, or "
                f"leave it out of {field}"
            )
        return [self.keypoints.index(name) for name in names]


def skeleton_of(chosen: Sequence[Sequence[str | int]], prepared: Prepared) -> list[list[int]]:
    """Return the lines of the skeleton as numbers of keypoints: those of ``dataset.skeleton``, or the project's own.

    Raises:
        InvalidInput: the manifest names a keypoint that does not exist, or of which no frame has a label.
    """
    return [prepared.numbers_of(pair, "dataset.skeleton") for pair in chosen or prepared.skeleton]


def keypoint_numbers(references: Sequence[str | int], names: Sequence[str], field: str) -> list[int]:
    """Return the numbers, from 0, of keypoints that a manifest refers to by name or by number.

    Args:
        references: names or numbers of keypoints.
        names: the names of all keypoints, in their order.
        field: the field of the manifest that contains the references, for the message.

    Raises:
        InvalidInput: there is no such keypoint.
    """
    return [_keypoint_number(reference, names, field) for reference in references]


def _keypoint_number(reference: str | int, names: Sequence[str], field: str) -> int:
    if isinstance(reference, int):
        if reference < len(names):
            return reference
        raise InvalidInput(f"{field} names keypoint {reference}; the labels have numbers 0 to {len(names) - 1}")
    if reference in names:
        return names.index(reference)
    raise InvalidInput(f"{field} names keypoint {reference!r}; the labels have {', '.join(names)}")
