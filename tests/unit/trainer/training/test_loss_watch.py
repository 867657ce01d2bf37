import torch

from posefleet_trainer.loading.clips import ClipBatch
from posefleet_trainer.loading.labelled import FrameBatch
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.training.history import LossWatch


def a_batch() -> TrainingBatch:
    frames = FrameBatch(torch.zeros(1, 3, 8, 8), torch.zeros(1, 2, 2), ["labeled-data/a/img1.png"])
    clip = ClipBatch(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3), torch.ones(2), "videos/b.mp4", 40)
    return TrainingBatch(step=12, frames=frames, clip=clip)


def test_losses_are_read_at_once_on_a_cpu():
    (measured,) = LossWatch().push(a_batch(), {"heatmap": torch.tensor(0.5), "temporal": torch.tensor(2.0)})
    assert measured.terms == {"heatmap": 0.5, "temporal": 2.0}
    assert measured.culprits == []


def test_a_complaint_names_step_term_rank_and_files():
    (measured,) = LossWatch().push(a_batch(), {"heatmap": torch.tensor(0.5), "temporal": torch.tensor(torch.nan)})
    assert measured.culprits == ["temporal"]
    assert measured.complaint(3) == (
        "temporal = nan in step 12 on rank 3, whose batch was labeled-data/a/img1.png, videos/b.mp4 from frame 40"
    )
