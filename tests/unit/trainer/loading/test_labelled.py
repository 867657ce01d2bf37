import numpy as np
import pytest
import torch

from posefleet_trainer.loading.labelled import FrameStore, LabelledLoader
from posefleet_trainer.loading.sampler import Share
from unit.trainer.loading.scene import IMAGE, Discs, frames
from unit.trainer.training.tiny import COLOURS


def a_loader(rank: int = 0, world: int = 1, per_step: int = 4, first_step: int = 0, threads: int = 1) -> LabelledLoader:
    store = FrameStore(Discs(), frames(10), IMAGE)
    return LabelledLoader(store, Share(rank, world, per_step), 7, first_step, device_id=None, threads=threads)


def test_labels_lie_where_the_augmented_picture_has_them():
    loader = a_loader(per_step=8)
    batch = loader.next_batch()
    colours = np.array(COLOURS) / 255
    hits = []
    for image, points in zip(batch.images, batch.points, strict=True):
        for colour, (x, y) in zip(colours, points.tolist(), strict=True):
            if np.isfinite(x):
                pixel = image[:, round(min(max(y, 0), 95)), round(min(max(x, 0), 95))].numpy()
                hits.append(int(np.argmax(pixel)) == int(np.argmax(colour)))
    loader.close()
    # Some discs are dropped on purpose.
    assert len(hits) > 12
    assert np.mean(hits) > 0.8


def test_two_ranks_see_together_what_one_rank_sees_alone():
    alone, first, second = a_loader(per_step=4), a_loader(0, 2, per_step=2), a_loader(1, 2, per_step=2)
    for _ in range(3):
        whole, even, odd = (loader.next_batch() for loader in (alone, first, second))
        assert whole.files[0::2] == even.files
        assert whole.files[1::2] == odd.files
        assert torch.equal(whole.images[0::2], even.images)
        assert torch.equal(whole.images[1::2], odd.images)
        assert torch.equal(whole.points[0::2].nan_to_num(-1), even.points.nan_to_num(-1))
    for loader in (alone, first, second):
        loader.close()


def test_a_loader_that_starts_later_gives_the_same_pixels_with_any_number_of_threads():
    early, late = a_loader(), a_loader(first_step=2, threads=3)
    early.next_batch()
    early.next_batch()
    for _ in range(2):
        one, other = early.next_batch(), late.next_batch()
        assert torch.equal(one.images, other.images)
        assert one.files == other.files
    early.close()
    late.close()


def test_images_are_channels_last_and_unlabelled_keypoints_are_nan():
    loader = a_loader(per_step=10)
    batch = loader.next_batch()
    loader.close()
    assert batch.images.shape == (10, 3, 96, 96)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.points[batch.files.index("0"), 2].isnan().all()


def test_a_gpu_is_given_the_pictures_that_the_cpu_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LabelledLoader, "_build", lambda *_: None)
    on_cpu, on_gpu = (
        LabelledLoader(FrameStore(Discs(), frames(10), IMAGE), Share(0, 1, 4), 7, 0, device_id=device_id, threads=1)
        for device_id in (None, 0)
    )
    for inputs, others in zip(on_cpu._ahead(), on_gpu._ahead(), strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(inputs, others, strict=True))
    on_cpu.close()
    on_gpu.close()
