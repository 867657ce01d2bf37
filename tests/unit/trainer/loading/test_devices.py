import logging

import pytest
import torch

from posefleet_trainer.loading.devices import Devices, choose_devices
from unit.trainer.loading.scene import IMAGE


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is visible here")
def test_without_cuda_all_is_done_on_the_cpu_and_the_log_says_why(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        assert choose_devices(0, IMAGE, has_clips=True) == Devices(None, None)
    assert "no CUDA device is visible" in caplog.text
