"""Labelled frames as a labels file has them, whatever its format."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelRow:
    """One labelled frame."""

    line: int
    """Where it stands in the file, from 1."""
    path: str
    """The picture, inside the project folder."""
    points: tuple[tuple[float, float] | None, ...]
    """(x, y) in pixels a keypoint; None where unlabelled."""


@dataclass(frozen=True)
class LabelTable:
    """A labels file."""

    name: str
    """The file's path inside the project folder."""
    keypoints: tuple[str, ...]
    rows: tuple[LabelRow, ...]
