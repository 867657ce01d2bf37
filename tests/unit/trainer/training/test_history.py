import torch

from posefleet_trainer.loading.clips import ClipBatch
from posefleet_trainer.loading.labelled import FrameBatch
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.training.history import History, LossWatch


def test_an_epoch_is_the_mean_of_its_steps():
    history = History()
    history.add({"heatmap": 1.0})
    history.add({"heatmap": 3.0, "temporal": 2.0})
    history.close_epoch(2, 1, 0.001, 4.5)

    (record,) = history.records
    assert record["losses"] == {"heatmap": 2.0, "temporal": 1.0}
    assert (record["step"], record["epoch"], record["validation_pixel_error"]) == (2, 1, 4.5)


def test_an_interrupted_record_is_the_same_as_one_that_was_not():
    whole, part = History(), History()
    for history in (whole, part):
        history.add({"heatmap": 0.1})
    resumed = History(part.state())
    for history in (whole, resumed):
        history.add({"heatmap": 0.7})
        history.close_epoch(2, 1, 0.001, None)

    assert whole.records == resumed.records


def test_a_state_does_not_change_with_the_history_it_was_taken_of():
    history = History()
    history.close_epoch(1, 1, 0.001, None)
    state = history.state()
    history.close_epoch(2, 2, 0.001, None)
    assert len(state["records"]) == 1


def a_batch() -> TrainingBatch:
    frames = FrameBatch(torch.zeros(1, 3, 8, 8), torch.zeros(1, 2, 2), ["labeled-data/a/img1.png"])
    clip = ClipBatch(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3), torch.ones(2), "videos/b.mp4", 40)
    return TrainingBatch(step=12, frames=frames, clip=clip)


def test_losses_are_read_at_once_on_a_cpu():
    (losses,) = LossWatch().push(
        a_batch(), {"heatmap": torch.tensor(0.5), "temporal": torch.tensor(2.0)}, torch.tensor(0.0)
    )
    assert losses.terms == {"heatmap": 0.5, "temporal": 2.0}
    assert losses.is_finite


def test_a_description_of_a_non_finite_names_its_term_step_and_rank():
    terms = {"heatmap": torch.tensor(0.5), "temporal": torch.tensor(torch.nan)}
    (losses,) = LossWatch().push(a_batch(), terms, torch.tensor(1.0))
    assert not losses.is_finite
    assert losses.non_finite_terms == ["temporal"]
    assert losses.describe_non_finite(3) == "temporal = nan in step 12 on rank 3"
    assert losses.files == ["labeled-data/a/img1.png", "videos/b.mp4 from frame 40"]


def test_a_gradient_that_is_not_finite_is_told_from_a_loss():
    (losses,) = LossWatch().push(a_batch(), {"heatmap": torch.tensor(0.5)}, torch.tensor(1.0))
    assert losses.non_finite_terms == []
    assert not losses.is_finite
    assert losses.describe_non_finite(3) == "the gradient is not finite in step 12, although the losses are"
