"""What training reads, brought to this node's disk."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from posefleet_api.job import Spec
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared, StoredFile
from posefleet_trainer.dataset.project import wants_clips
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.training.keys import MANIFEST_KEY

#: Files at a time; each comes in ranges of its own.
_AT_ONCE = 4


@dataclass(frozen=True)
class Fetched:
    """Prepared files in the node's cache; they stay there until the cache is closed."""

    cache: NodeCache
    paths: Mapping[str, Path]
    """By their keys in the store."""

    def path(self, file: StoredFile) -> Path:
        """Where the file lies."""
        return self.paths[file.key]


def training_files(spec: Spec, prepared: Prepared) -> list[StoredFile]:
    """The labelled frames and, if an unsupervised loss is on, the proxies of the videos with their indexes."""
    files = [prepared.frames_archive]
    for video in prepared.clip_videos if wants_clips(spec) else []:
        files += [file for file in (video.proxy, video.proxy_index) if file is not None]
    return list({file.key: file for file in files}.values())


def fetch_training_files(context: Context, prepared: Prepared) -> Fetched:
    """Bring them here; one rank of a node downloads a file, the others find it.

    Raises:
        InvalidInput: a file is missing, damaged, or does not fit into the cache.
        StoreUnreachable: the store did not answer.
    """
    cache = NodeCache(context.cache_directory, context.cache_bytes)

    def fetch(file: StoredFile) -> Path:
        path = cache.fetch(context.prepared, file.key, file.size_bytes, file.sha256)
        # Rank 0 may find every file here, each brought by another rank just before.
        context.progress.alive()
        return path

    files = training_files(context.job.spec, prepared)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
        paths = list(pool.map(fetch, files))
    return Fetched(cache, {file.key: path for file, path in zip(files, paths, strict=True)})


def fetch_ahead(context: Context, prepared: Prepared) -> Fetched | None:
    """The same before training looks whether it is needed at all; None where a model says that it may not be."""
    return None if context.output.find(MANIFEST_KEY) else fetch_training_files(context, prepared)
