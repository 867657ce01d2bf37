"""What the training control does after a step, on one rank and with a simulated clock and checkpoint writer."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from posefleet_api.status import Checkpoint
from posefleet_trainer.errors import NonFiniteLoss, PeerLost, Preempted, StoreUnreachable
from posefleet_trainer.gang.preemption import StopRequest
from posefleet_trainer.loading.labelled import FrameBatch
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.training import control
from posefleet_trainer.training.control import CheckpointClock, StepControl, StepRequests
from posefleet_trainer.training.history import History, LossWatch, StepLosses
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.plan import Plan


class Writer:
    """A writer whose state the test sets."""

    def __init__(self) -> None:
        self.busy = False
        self.requested = False
        self.failure: Exception | None = None
        self.begun: list[int] = []
        self.waits = 0
        self.events: list[str] = []

    def begin(self, step: int, content: dict[str, Any]) -> None:
        self.begun.append(content["samples"] // 4)
        assert self.begun[-1] == step

    def wait(self) -> None:
        self.waits += 1
        self.events.append("upload")
        if self.failure:
            raise self.failure

    def failed(self) -> bool:
        return self.failure is not None


class Bench:
    """A step control with everything around it; epochs have two steps, of which the last is the sixth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, has_writer: bool = True) -> None:
        self.now = 0.0
        self.writer = Writer()
        self.request = StopRequest()
        self.history = History()
        self.reported: list[Any] = []
        self.measured = 0
        self.error: float | None = 2.5
        self.events: list[str] = []
        self.module = PoseModule.__new__(PoseModule)
        torch.nn.Module.__init__(self.module)
        self.module.terms, self.module.skipped = {}, torch.tensor(0.0)
        monkeypatch.setattr(PoseModule, "learning_rate", lambda _, step: 0.1 * step)
        monkeypatch.setattr(control, "snapshot", self._snapshot)
        monkeypatch.setattr(control, "wait_for_all", lambda: self.events.append("all ranks"))
        self.writer.events = self.events
        self.control = StepControl(
            plan=Plan(epochs=3, frames=8, batch_size=4, clip_length=0, world=1, validate_every_epochs=2),
            history=self.history,
            measure=self._measure,
            writer=self.writer if has_writer else None,  # type: ignore[arg-type]
            clock=CheckpointClock(60.0, lambda: self.now),
            request=self.request,
            reporter=SimpleNamespace(  # type: ignore[arg-type]
                losses=self.reported.append,
                step_done=self.reported.append,
                validated=lambda error: self.reported.append(("error", error)),
                checkpoint=Checkpoint(uri="s3://lab/out/c.ckpt", step=7, time="2026-01-31T12:00:00Z", sha256=""),
            ),
        )

    def _measure(self) -> float | None:
        self.measured += 1
        return self.error

    def _snapshot(self, module: PoseModule, history: History, samples: int) -> Any:
        assert module is self.module
        assert history is self.history
        return SimpleNamespace(content=lambda: {"samples": samples})

    def step(self, index: int, loss: float = 0.5, skipped: float = 0.0) -> None:
        frames = FrameBatch(torch.zeros(1, 3, 8, 8), torch.zeros(1, 2, 2), ["labeled-data/a/img1.png"])
        self.module.terms, self.module.skipped = {"heatmap": torch.tensor(loss)}, torch.tensor(skipped)
        batch = TrainingBatch(step=index, frames=frames, clip=None)
        self.control.on_train_batch_end(SimpleNamespace(global_rank=3), self.module, None, batch, 0)  # type: ignore[arg-type]

    def end(self) -> None:
        self.control.on_train_end(SimpleNamespace(global_rank=3), self.module)  # type: ignore[arg-type]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def hold_losses_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let losses be ready one step late, as on a GPU."""
    push, held = LossWatch.push, list[StepLosses]()

    def push_late(watch: LossWatch, batch: TrainingBatch, *values: Any) -> list[StepLosses]:
        ready, held[:] = list(held), push(watch, batch, *values)
        return ready

    def flush(_: LossWatch) -> list[StepLosses]:
        ready, held[:] = list(held), []
        return ready

    monkeypatch.setattr(LossWatch, "push", push_late)
    monkeypatch.setattr(LossWatch, "flush", flush)


def test_checkpoints_are_due_at_their_interval_which_begins_again_with_each(bench: Bench):
    for step, now in enumerate([59.9, 60.0, 119.9, 120.0, 130.0]):
        bench.now = now
        bench.step(step)
    assert bench.writer.begun == [2, 4]


def test_a_request_of_the_operator_takes_a_checkpoint_at_once_and_starts_the_interval_again(bench: Bench):
    bench.now = 50.0
    bench.step(0)
    bench.writer.requested = True
    bench.step(1)
    bench.writer.requested, bench.now = False, 109.0
    bench.step(2)
    assert bench.writer.begun == [2]
    bench.now = 110.0
    bench.step(3)
    assert bench.writer.begun == [2, 4]


def test_no_checkpoint_begins_while_one_is_being_written(bench: Bench):
    bench.now, bench.writer.busy = 100.0, True
    bench.step(0)
    assert bench.writer.begun == []
    bench.writer.busy = False
    bench.step(1)
    assert bench.writer.begun == [2]


def test_a_checkpoint_that_failed_ends_training_with_its_own_error(bench: Bench):
    bench.writer.failure = StoreUnreachable("no answer for 600 s")
    with pytest.raises(StoreUnreachable, match="600 s"):
        bench.step(0)


def test_a_checkpoint_that_failed_ends_the_other_ranks_as_well(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch, has_writer=False)
    monkeypatch.setattr(control, "largest", lambda values: [0, 0, 0, 1] if len(values) == 4 else values)
    with pytest.raises(PeerLost, match="rank 0 could not write its checkpoint"):
        bench.step(0)


def test_a_request_to_stop_saves_waits_for_the_upload_and_ends_training(bench: Bench):
    bench.request.made = True
    with pytest.raises(Preempted, match="checkpoint after step 1 is in the store"):
        bench.step(0)
    assert bench.writer.begun == [1]
    assert bench.writer.waits == 1
    assert bench.events == ["upload", "all ranks"]
    assert bench.reported == [{"heatmap": 0.5}, 1]


def test_a_rank_without_a_writer_saves_nothing_and_stops_with_the_others(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch, has_writer=False)
    bench.now = 100.0
    bench.step(0)
    monkeypatch.setattr(control, "largest", lambda values: [0, 0, 1, 0] if len(values) == 4 else values)
    bench.step(1)
    bench.request.made = True
    monkeypatch.setattr(control, "largest", lambda values: values)
    with pytest.raises(Preempted):
        bench.step(2)
    assert bench.events == ["all ranks"]
    bench.end()


def test_a_bad_loss_ends_training_at_once(bench: Bench):
    with pytest.raises(NonFiniteLoss) as raised:
        bench.step(0, torch.nan)
    assert str(raised.value) == (
        "heatmap = nan in step 0 on rank 3. Another attempt continues after step 7 from s3://lab/out/c.ckpt. Look at "
        "the labels and frames of the batch, or lower training.learningRate: labeled-data/a/img1.png"
    )


def test_a_bad_gradient_ends_training_at_once_and_is_told_from_a_loss(bench: Bench):
    bench.control._reporter.checkpoint = None  # type: ignore[misc]
    with pytest.raises(NonFiniteLoss, match=r"the gradient is not finite in step 0, .* Another attempt starts at step"):
        bench.step(0, skipped=1.0)


def test_the_checkpoint_that_is_being_written_is_kept_when_a_loss_is_bad(bench: Bench):
    bench.writer.failure = StoreUnreachable("no answer for 600 s")
    with pytest.raises(NonFiniteLoss):
        bench.step(0, torch.nan)
    assert bench.writer.waits == 1


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("way", ["stop", "save", "end"])
def test_held_back_losses_are_read_before_weights_are_kept(
    way: str, what: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    hold_losses_back(monkeypatch)
    bench.request.made = way == "stop"
    bench.now = 60.0 if way == "save" else 0.0

    def keep() -> None:
        bench.step(0, *((torch.inf, 0.0) if what == "loss" else (0.5, 1.0)))
        bench.end()

    with pytest.raises(
        NonFiniteLoss, match=r"(heatmap = inf in step 0 on rank 3|the gradient is not finite in step 0)"
    ):
        keep()
    assert bench.writer.begun == []


def test_a_bad_loss_that_is_read_at_the_end_of_an_epoch_ends_training(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    hold_losses_back(monkeypatch)

    def train() -> None:
        for step, loss in enumerate([0.5, torch.inf, 0.5]):
            bench.step(step, loss)

    with pytest.raises(NonFiniteLoss, match="heatmap = inf in step 1 on rank 3"):
        train()


def test_epochs_are_closed_with_all_their_losses_and_measured_when_due(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    hold_losses_back(monkeypatch)
    for step in range(6):
        bench.step(step, float(step))
    records = bench.history.records
    assert [record["losses"] for record in records] == [{"heatmap": 0.5}, {"heatmap": 2.5}, {"heatmap": 4.5}]
    assert [(record["step"], record["epoch"]) for record in records] == [(2, 1), (4, 2), (6, 3)]
    assert [record["learning_rate"] for record in records] == pytest.approx([0.1, 0.3, 0.5])
    assert ["validation_pixel_error" in record for record in records] == [False, True, True]
    assert bench.measured == 2
    assert bench.reported.count(("error", 2.5)) == 2


def test_an_error_that_could_not_be_measured_is_not_reported(bench: Bench):
    bench.error = None
    for step in range(4):
        bench.step(step)
    assert bench.measured == 1
    assert bench.reported == [{"heatmap": 0.5}, 1, {"heatmap": 0.5}, 2, {"heatmap": 0.5}, 3, {"heatmap": 0.5}, 4]
    assert "validation_pixel_error" not in bench.history.records[-1]


def test_the_end_of_training_waits_for_the_last_checkpoint(bench: Bench):
    bench.end()
    assert bench.writer.waits == 1


def test_a_rank_requests_nothing_of_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "largest", lambda values: values)
    nothing = StepRequests(stop=False, non_finite=False, save=False, save_failed=False)
    assert StepRequests().of_all_ranks() == nothing


@pytest.mark.parametrize("name", ["stop", "non_finite", "save", "save_failed"])
def test_a_request_of_any_rank_reaches_all_ranks_under_its_own_name(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(control, "largest", lambda values: values)
    requests = StepRequests(**{name: True})
    assert requests.of_all_ranks() == requests
