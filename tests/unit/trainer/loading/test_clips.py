from pathlib import Path

import numpy as np
import pytest
import torch

from posefleet_trainer.loading.clips import ClipLoader, ClipVideo
from posefleet_trainer.loading.sampler import Share
from posefleet_trainer.models.coordinates import rescale
from unit.trainer.loading.scene import IMAGE, SIDE, a_video
from unit.trainer.training.tiny import COLOURS, points


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> ClipVideo:
    return a_video(Path(tmp_path_factory.mktemp("clips")))


def a_loader(video: ClipVideo, rank: int = 0, world: int = 1, first_step: int = 0) -> ClipLoader:
    share = Share(rank, world, 1)
    return ClipLoader([video], share, 5, first_step, clip_length=4, image=IMAGE, device_id=None, threads=1)


def test_undoing_the_geometry_leads_to_the_source_videos_pixels(video: ClipVideo):
    loader = a_loader(video)
    for _ in range(4):
        clip = loader.next_batch()
        redness = clip.images[:, 0] - clip.images[:, 1:].max(dim=1).values
        assert int(np.argmax(COLOURS[0])) == 0
        for number, map_ in enumerate(redness):
            ys, xs = torch.nonzero(map_ > 1.0, as_tuple=True)
            centre = torch.stack([xs.float().mean(), ys.float().mean()])
            image_point = centre @ clip.undo[:, :2].T + clip.undo[:, 2]
            source = rescale(image_point, clip.source_ratio).numpy()
            truth = points(SIDE, float(clip.start + number))[0]
            assert np.linalg.norm(source - truth) < 1.5
    loader.close()


def test_two_ranks_see_together_what_one_rank_sees_alone(video: ClipVideo):
    alone, first, second = a_loader(video), a_loader(video, 0, 2), a_loader(video, 1, 2)
    seen = [alone.next_batch() for _ in range(4)]
    dealt = [first.next_batch(), second.next_batch(), first.next_batch(), second.next_batch()]
    for one, other in zip(seen, dealt, strict=True):
        assert one.start == other.start
        assert torch.equal(one.images, other.images)
    for loader in (alone, first, second):
        loader.close()


def test_a_loader_that_starts_later_gives_the_same_clip(video: ClipVideo):
    early, late = a_loader(video), a_loader(video, first_step=3)
    for _ in range(3):
        early.next_batch()
    assert torch.equal(early.next_batch().images, late.next_batch().images)
    early.close()
    late.close()
