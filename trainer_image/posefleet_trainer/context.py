"""What every stage of a job gets."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from posefleet_api.constants import ENV_CACHE_BYTES, ENV_CACHE_DIRECTORY
from posefleet_api.job import InvalidManifest, PoseTrainingJob, parse_job
from posefleet_api.values import quantity_bytes
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.record.facts import FactsFile
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import open_store
from posefleet_trainer.telemetry.progress import ProgressTracker, Timeline


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


def read_job(path: Path) -> PoseTrainingJob:
    """The job in a YAML or JSON file.

    Raises:
        InvalidInput: for a file that is no manifest, with a line for every wrong field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        manifest = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if not isinstance(manifest, dict):
            raise InvalidInput(f"{path} is no manifest of a PoseTrainingJob")
        return parse_job(manifest)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"{path} is neither YAML nor JSON: {error}") from None
    except InvalidManifest as error:
        raise InvalidInput(f"{path}:\n{error}") from None


def build_context(job: PoseTrainingJob, rank: Rank, progress: ProgressTracker, patience_seconds: float) -> Context:
    """Open the stores of the job, and its cache on this node."""
    spec = job.spec
    cache = os.environ.get(ENV_CACHE_DIRECTORY) or str(Path.home() / ".cache" / "posefleet-trainer")
    cache_bytes = int(os.environ.get(ENV_CACHE_BYTES) or quantity_bytes(spec.resources.cache_per_node))

    def store(uri: str) -> Store:
        return open_store(uri, spec.storage, patience_seconds=patience_seconds, got_on=progress.alive)

    return Context(
        job=job,
        rank=rank,
        project=store(spec.dataset.uri),
        output=store(spec.output.uri),
        prepared=store(spec.output.cache_uri or default_cache_uri(spec.output.uri)),
        cache_directory=Path(cache),
        cache_bytes=cache_bytes,
        progress=progress,
    )


def default_cache_uri(output_uri: str) -> str:
    """The folder ``.posefleet/`` at the root of the output's bucket, or beside a ``file://`` output."""
    scheme, _, path = output_uri.partition("://")
    if scheme == "s3":
        return f"s3://{path.split('/', 1)[0]}/.posefleet/"
    return f"file://{Path(path).parent}/.posefleet/"
