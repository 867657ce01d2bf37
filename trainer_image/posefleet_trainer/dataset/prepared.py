"""Keypoints in a manifest: by name, or by number from 0."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_trainer.errors import InvalidInput


def resolve(references: Sequence[str | int], names: Sequence[str], where: str = "the manifest") -> list[int]:
    """The numbers of the keypoints that ``references`` name.

    Raises:
        InvalidInput: no such keypoint; ``where`` says which field has it.
    """
    return [_number(reference, names, where) for reference in references]


def _number(reference: str | int, names: Sequence[str], where: str) -> int:
    if isinstance(reference, int):
        if reference < len(names):
            return reference
        raise InvalidInput(f"{where} names keypoint {reference}; the labels have numbers 0 to {len(names) - 1}")
    if reference in names:
        return names.index(reference)
    raise InvalidInput(f"{where} names keypoint {reference!r}; the labels have {', '.join(names)}")


#: Goes into the content hash: raise it when the meaning of anything here changes.
FORMAT_VERSION = 1

FrameSet = Literal["labelled", "outOfDistribution"]
Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class StoredFile(ApiModel):
    """A file in the prepared-data folder (``output.cacheUri``), named by its content."""

    key: str
    size_bytes: int
    sha256: str


class SourceFile(ApiModel):
    """A file of the project folder as it was when prepare saw it."""

    path: str
    """Inside the project folder."""
    size_bytes: int
    etag: str


class LabelledFrame(ApiModel):
    """One labelled frame."""

    path: str
    """Inside the project folder, as the labels file has it."""
    width: int
    height: int
    points: list[Point | None]
    """One entry a keypoint: (x, y) in pixel-centre coordinates of the frame, or None where unlabelled."""
    set: FrameSet


class Video(ApiModel):
    """One video of the project."""

    source: SourceFile
    width: int
    height: int
    frames: int
    frames_per_second: float
    proxy: StoredFile | None = None
    """The video at training size with short GOPs (only for videos that unsupervised losses read)."""
    proxy_index: StoredFile | None = None
    """The key-frame index of the proxy."""
    index: StoredFile
    """The key-frame index of the source video (an ``.npz``, see ``video/index.py``)."""

    def files(self) -> list[StoredFile]:
        """What is stored of it."""
        return [file for file in (self.index, self.proxy, self.proxy_index) if file is not None]


class Prepared(ApiModel):
    """A checked data set."""

    keypoints: list[str]
    frames: list[LabelledFrame]
    frames_archive: StoredFile
    """All labelled frames as they were, in one uncompressed tar whose member names are ``LabelledFrame.path``."""
    clip_videos: list[Video]
    """``dataset.videos``: what the unsupervised losses read."""
    predict_videos: list[Video]
    """``predict.videos``."""
    warnings: list[str]
    """What was dropped or passed over, one sentence each."""

    def files(self) -> list[StoredFile]:
        """What is stored of it."""
        videos = [*self.clip_videos, *self.predict_videos]
        return [self.frames_archive, *(file for video in videos for file in video.files())]
