"""The common form of labels: what the reader of every label format returns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelRow:
    """The labels of one frame."""

    line: int
    """The row of the labels file, counted from 1, for messages."""
    path: str
    """The picture of the frame, as a path inside the project folder."""
    points: tuple[tuple[float, float] | None, ...]
    """(x, y) in pixels for each keypoint of the table; None where a keypoint is not labelled."""

    @property
    def is_labelled(self) -> bool:
        """Whether at least one keypoint of the frame is labelled."""
        return any(point is not None for point in self.points)


@dataclass(frozen=True)
class LabelTable:
    """The content of a labels file."""

    name: str
    """The path of the file inside the project folder."""
    keypoints: tuple[str, ...]
    """The names of the keypoints, each different."""
    rows: tuple[LabelRow, ...]
    """One row for each frame; no two rows have the same path."""
