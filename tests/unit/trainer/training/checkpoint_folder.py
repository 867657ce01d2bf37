"""A folder of checkpoints, with a writer that fills it and a cache through which they are read."""

from pathlib import Path

import torch

from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.fence import AttemptId, fenced
from posefleet_trainer.store.folder import FolderStore
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.checkpoint_files import CheckpointManifest
from posefleet_trainer.training.checkpoints import CheckpointWriter
from posefleet_trainer.training.resume import TrainingState, newest_checkpoint

#: What the names of the checkpoints of attempt 1 end with; the job has no uid.
ATTEMPT_1 = "attempt-1-e3b0c442"


class CheckpointFolder:
    """The checkpoints of one training in a store under ``root``, of which ``attempt`` keeps the newest ``keep``."""

    def __init__(self, root: Path, keep: int = 3, attempt: AttemptId | None = None) -> None:
        self.store = FolderStore(root / "output")
        self.cache = NodeCache(root / "cache", 10**8)
        self.progress = ProgressTracker(attempt=1)
        attempt = attempt or AttemptId("", 1)
        output = fenced(self.store, attempt, begins=True)
        self.writer = CheckpointWriter(output, attempt, root, keep, "this training", self.progress)

    def write(self, *steps: int) -> None:
        """Write the checkpoints after ``steps``, and wait for them."""
        for step in steps:
            self.writer.begin(step, state(step).content())
        self.writer.wait()

    def newest(self, fingerprint: str = "this training") -> CheckpointManifest | None:
        """Find the newest checkpoint of the training ``fingerprint``."""
        return newest_checkpoint(self.store, self.cache, fingerprint, self.progress)

    def names(self) -> set[str]:
        """Return the names of all files in the folder."""
        return {stored.key.removeprefix("checkpoints/") for stored in self.store.list("checkpoints/")}


def state(step: int) -> TrainingState:
    """Return the state of a training after ``step`` steps of 8 samples, whose weights equal the step."""
    return TrainingState(
        samples=step * 8,
        weights={"w": torch.full((3,), float(step))},
        optimizer={"state": {0: {"step": torch.tensor(float(step))}}, "param_groups": [{"lr": 0.1}]},
        history={"records": [], "sums": {}, "steps": step},
    )
