"""What every stage of a job gets."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from posefleet_api.job import PoseTrainingJob
from posefleet_trainer.record.facts import FactsFile
from posefleet_trainer.store.base import Store
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.telemetry.timeline import Timeline


@dataclass(frozen=True)
class Rank:
    """This process among those that train together."""

    index: int
    world: int
    local_index: int
    local_world: int

    @classmethod
    def from_environment(cls) -> "Rank":
        """The rank that ``torchrun`` or posefleet's launcher gave; a lone process otherwise."""
        return cls(
            index=int(os.environ.get("RANK", "0")),
            world=int(os.environ.get("WORLD_SIZE", "1")),
            local_index=int(os.environ.get("LOCAL_RANK", "0")),
            local_world=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )


@dataclass(frozen=True)
class Context:
    """The job, this process' place in it, and where its data come from and go to."""

    job: PoseTrainingJob
    rank: Rank
    project: Store
    """``spec.dataset.uri``."""
    output: Store
    """``spec.output.uri``."""
    prepared: Store
    """``spec.output.cacheUri``."""
    cache_directory: Path
    """On this node, shared by its ranks."""
    cache_bytes: int
    """How much may lie there."""
    progress: ProgressTracker
    timeline: Timeline = field(default_factory=Timeline)
    """Until the first training step."""
    facts: FactsFile = field(default_factory=FactsFile)
    """What this process knows of its attempt, for the summary."""
