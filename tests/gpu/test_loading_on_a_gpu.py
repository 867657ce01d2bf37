"""What only an NVIDIA GPU can show: NVDEC and augmentation on the GPU give the pictures that the CPU gives."""

from pathlib import Path

import pytest
import torch

from posefleet_trainer.loading.clips import ClipLoader, ClipVideo
from posefleet_trainer.loading.devices import Devices, choose_devices
from posefleet_trainer.loading.labelled import FrameStore, LabelledLoader
from posefleet_trainer.loading.sampler import Share
from unit.trainer.loading.scene import IMAGE, Discs, a_video, frames

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible"),
]

#: Mean difference in normalised units that decoders and resizing filters may make: two grey levels.
_LIKE = 2 / 57


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> ClipVideo:
    return a_video(Path(tmp_path_factory.mktemp("clips")))


def test_the_gpu_is_chosen_for_frames_and_clips():
    assert choose_devices(0, IMAGE, has_clips=True) == Devices(0, 0)


def test_clips_decoded_by_nvdec_look_like_those_of_the_cpu(video: ClipVideo):
    def loader(device_id: int | None) -> ClipLoader:
        return ClipLoader([video], Share(0, 1, 1), 5, 0, clip_length=4, image=IMAGE, device_id=device_id, threads=2)

    on_cpu, on_gpu = loader(None), loader(0)
    for _ in range(5):
        one, other = on_cpu.next_batch(), on_gpu.next_batch()
        assert other.images.is_cuda
        assert one.start == other.start
        assert (one.images - other.images.cpu()).abs().mean() < _LIKE
    on_cpu.close()
    on_gpu.close()


def test_labelled_frames_augmented_on_the_gpu_look_like_those_of_the_cpu():
    def loader(device_id: int | None) -> LabelledLoader:
        store = FrameStore(Discs(), frames(10), IMAGE)
        return LabelledLoader(store, Share(0, 1, 4), 7, 0, device_id=device_id, threads=2)

    on_cpu, on_gpu = loader(None), loader(0)
    for _ in range(5):
        one, other = on_cpu.next_batch(), on_gpu.next_batch()
        assert other.images.is_cuda
        assert one.files == other.files
        assert (one.images - other.images.cpu()).abs().mean() < _LIKE
    on_cpu.close()
    on_gpu.close()
