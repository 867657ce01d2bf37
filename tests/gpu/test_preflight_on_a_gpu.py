"""What the preflight finds on a machine with an NVIDIA GPU."""

import pytest
import torch

from posefleet_trainer.errors import PreflightFailed
from posefleet_trainer.loading.devices import probe_decoding
from posefleet_trainer.preflight.probes import probe_gpu
from unit.trainer.loading.scene import IMAGE

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible"),
]


def test_a_gpu_is_described():
    found = probe_gpu(0, 1)
    assert found is not None
    assert found.name == torch.cuda.get_device_name(0)
    assert 0 < found.free_bytes <= found.memory_bytes
    assert found.flops > 1e11


def test_more_gpus_than_there_are_fail_the_pod():
    with pytest.raises(PreflightFailed, match="99 GPUs requested"):
        probe_gpu(0, 99)


def test_the_gpu_decodes_a_generated_clip():
    found = probe_decoding(0, IMAGE)
    assert found.decodes, found.reason
