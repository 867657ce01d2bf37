"""What a stage of a job receives: the manifest, this process' rank, the stores and the cache of this node."""

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
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.fence import AttemptId
from posefleet_trainer.store.open import open_store
from posefleet_trainer.telemetry.progress import ProgressTracker, Timeline


@dataclass(frozen=True)
class Rank:
    """The number of this process among those that train together, and on its node."""

    index: int
    world: int
    local_index: int
    local_world: int

    @classmethod
    def from_environment(cls) -> "Rank":
        """Read the rank that ``torchrun`` or posefleet's launcher has set; without one, the process is alone."""
        return cls(
            index=int(os.environ.get("RANK", "0")),
            world=int(os.environ.get("WORLD_SIZE", "1")),
            local_index=int(os.environ.get("LOCAL_RANK", "0")),
            local_world=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        )


@dataclass(frozen=True)
class Context:
    """The job, the rank of this process, and where its data come from and go to.

    Only the stage functions take a whole context. What they call takes the store, spec or cache that it needs.
    """

    job: PoseTrainingJob
    rank: Rank
    project: Store
    """The folder ``spec.dataset.uri``."""
    output: Store
    """The folder ``spec.output.uri``."""
    prepared: Store
    """The folder ``spec.output.cacheUri``, where prepared data are shared between jobs."""
    cache_directory: Path
    """Directory on this node's disk, shared by the ranks of the node."""
    cache_bytes: int
    """The most bytes that the cache may hold."""
    progress: ProgressTracker
    timeline: Timeline = field(default_factory=Timeline)
    """The time until the first training step, by part."""
    facts: FactsFile = field(default_factory=FactsFile)
    """What this process notes for the summary of its attempt."""

    @property
    def hub_directory(self) -> Path:
        """Directory on this node's disk for downloads from the public hub."""
        return self.cache_directory / "hub"

    @property
    def attempt(self) -> AttemptId:
        """The attempt that this process belongs to."""
        return AttemptId(self.job.metadata.uid, self.progress.report().attempt)

    def open_cache(self) -> NodeCache:
        """Open the cache of this node. Close it after the stage, so that the next one can use the space."""
        return NodeCache(self.cache_directory, self.cache_bytes)


def read_job(path: Path) -> PoseTrainingJob:
    """Read the manifest in a YAML or JSON file.

    Raises:
        InvalidInput: the file cannot be read, or is not a valid manifest; has a line for each wrong field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        manifest = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if not isinstance(manifest, dict):
            raise InvalidInput(f"{path} is not a manifest of a PoseTrainingJob")
        return parse_job(manifest)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"{path} is neither YAML nor JSON: {error}") from None
    except InvalidManifest as error:
        raise InvalidInput(f"{path}:\n{error}") from None


def open_context(job: PoseTrainingJob, rank: Rank, progress: ProgressTracker, patience_seconds: float) -> Context:
    """Open the stores of the job, and find its cache on this node.

    Args:
        job: the manifest.
        rank: of this process.
        progress: is told of every part of a file that arrives from a store.
        patience_seconds: how long a request to a store that does not answer is repeated.

    Raises:
        InvalidInput: a URI of the manifest cannot be used.
    """
    spec = job.spec
    cache = os.environ.get(ENV_CACHE_DIRECTORY) or str(Path.home() / ".cache" / "posefleet-trainer")
    cache_bytes = int(os.environ.get(ENV_CACHE_BYTES) or quantity_bytes(spec.resources.cache_per_node))

    def store(uri: str) -> Store:
        return open_store(uri, spec.storage, patience_seconds=patience_seconds, on_received=progress.alive)

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
    """Return the folder ``.posefleet/`` at the root of the output's bucket, or next to a ``file://`` output."""
    scheme, _, path = output_uri.partition("://")
    if scheme == "s3":
        return f"s3://{path.split('/', 1)[0]}/.posefleet/"
    return f"file://{Path(path).parent}/.posefleet/"
