"""The clip by which a GPU's decoder is tried is one that a CPU decodes, too."""

from pathlib import Path

import numpy as np

from posefleet_trainer.loading.devices import grey_clip
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.video.decode import read_frames


def test_the_generated_clip_is_a_video_of_grey_frames(tmp_path: Path):
    clip = grey_clip(tmp_path / "clip.mp4", Grid(96, 128))
    frames = list(read_frames(clip.path, clip.index, 0, clip.index.frames, (96, 128)))
    assert len(frames) == 4
    assert all(np.abs(frame.astype(int) - 128).max() <= 3 for frame in frames)
