import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from posefleet_trainer.loading.devices import Devices, choose_devices, grey_clip
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.video.decode import read_frames
from unit.trainer.loading.scene import IMAGE


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is visible here")
def test_without_cuda_all_is_done_on_the_cpu_and_the_log_says_why(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        assert choose_devices(0, IMAGE, has_clips=True) == Devices(None, None)
    assert "no CUDA device is visible" in caplog.text


def test_the_clip_that_nvdec_is_tried_with_is_decoded_to_grey_frames_by_a_cpu(tmp_path: Path):
    clip = grey_clip(tmp_path / "clip.mp4", Grid(96, 128))
    frames = list(read_frames(clip.path, clip.index, 0, clip.index.frames, (96, 128)))
    assert len(frames) == 4
    assert all(np.abs(frame.astype(int) - 128).max() <= 3 for frame in frames)
