"""Labelled frames and a video of coloured discs, whose positions are known in every frame."""

from pathlib import Path

import numpy as np

from posefleet_trainer.dataset.prepared import LabelledFrame
from posefleet_trainer.loading.clips import ClipVideo
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.video.index import build_index
from unit.trainer.training.tiny import TinyProject, picture, points

SIDE = 160
SOURCE = Grid(SIDE, SIDE)
IMAGE = Grid(96, 96)


class Discs:
    """Frames as an archive has them: the discs of a tiny project."""

    def image(self, path: str) -> np.ndarray:
        return picture(SIDE, float(path))


def frames(count: int) -> list[LabelledFrame]:
    """Labelled frames of ``Discs``, the last keypoint unlabelled in the first."""
    labelled = []
    for number in range(count):
        labels = [[float(x), float(y)] for x, y in points(SIDE, float(number))]
        known = [*labels[:2], None if number == 0 else labels[2]]
        labelled.append(LabelledFrame(path=str(number), width=SIDE, height=SIDE, points=known, set="labelled"))
    return labelled


def a_video(folder: Path, frame_count: int = 30) -> ClipVideo:
    """A video of the discs."""
    folder.mkdir(parents=True, exist_ok=True)
    TinyProject(side=SIDE, video_frames=frame_count)._write_video(folder / "vid.mp4")
    path = folder / "vid.mp4"
    return ClipVideo(path, build_index(path, "vid.mp4"), "videos/vid.mp4", SOURCE)
