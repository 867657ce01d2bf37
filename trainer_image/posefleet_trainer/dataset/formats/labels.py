"""The common form of a labelled project: what the reader of every format returns."""

from collections.abc import Mapping
from dataclasses import dataclass

from posefleet_api.dataset import FormatName
from posefleet_trainer.dataset.prepared import FrameSet
from posefleet_trainer.store.base import StoredObject

Listing = Mapping[str, StoredObject]
"""The files of a project folder by their paths inside it."""


@dataclass(frozen=True)
class LabelRow:
    """The labels of one frame."""

    file: str
    """The labels file, as a path inside the project folder, for messages."""
    line: int
    """The row of the labels file, counted from 1, for messages."""
    path: str
    """The picture of the frame, as a path inside the project folder."""
    points: tuple[tuple[float, float] | None, ...]
    """(x, y) in pixels for each keypoint of the table; None where a keypoint is not labelled or occluded."""
    occluded: frozenset[int] = frozenset()
    """The numbers of the keypoints of which the labels say that they cannot be seen. Nothing is known about the others
    without a point."""

    @property
    def is_labelled(self) -> bool:
        """Whether at least one keypoint of the frame has a place."""
        return any(point is not None for point in self.points)


@dataclass(frozen=True)
class LabelTable:
    """Labelled frames that are used for one purpose, from one labels file or from several."""

    name: str
    """What messages call the table: the path of its file inside the project folder, or a pattern for several."""
    keypoints: tuple[str, ...]
    """The names of the keypoints, each different."""
    rows: tuple[LabelRow, ...]
    """One row for each frame; no two rows have the same path."""
    warnings: tuple[str, ...] = ()
    """One sentence for each kind of label that the reader left out."""


@dataclass(frozen=True)
class ProjectLabels:
    """What the reader of a format makes of a project folder."""

    format: FormatName
    """The format, as ``spec.dataset.format`` names it."""
    tables: Mapping[FrameSet, LabelTable]
    """The labels by what they are used for. All have the same keypoints; ``labelled`` is always there."""
    files: tuple[str, ...]
    """Every file that was read. Prepared data is made again when one of them changes."""
    videos: tuple[str, ...] | None = None
    """The recordings that are meant where a manifest leaves ``dataset.videos`` or ``predict.videos`` at the default;
    None if the default patterns find them."""
    skeleton: tuple[tuple[str, str], ...] = ()
    """Pairs of keypoints that are joined by lines where a manifest has no skeleton."""
    warnings: tuple[str, ...] = ()
    """One sentence for each thing of the folder that the reader left out."""

    @property
    def labels(self) -> LabelTable:
        """The labels of the frames that are trained on."""
        return self.tables["labelled"]
