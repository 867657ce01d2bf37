"""Prepared data, as training, prediction and the report get them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from posefleet_api.base import ApiModel
from posefleet_api.job import Spec
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared, StoredFile
from posefleet_trainer.dataset.project import wants_clips
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.output_folder import MODEL_MANIFEST_KEY, PREPARED_POINTER_KEY
from posefleet_trainer.preparation.records import read_record, request_hash
from posefleet_trainer.store.cache import NodeCache


class Pointer(ApiModel):
    """What prepare notes in the output folder."""

    request: str
    """``request_hash`` of the manifest."""
    key: str
    """The prepared data, inside ``output.cacheUri``."""


def load_prepared(context: Context) -> Prepared:
    """What prepare left for this job; without the videos that are shorter than a clip.

    Raises:
        InvalidInput: prepare has not run for this manifest, or its files are gone.
    """
    pointer = _read_pointer(context)
    prepared = read_record(context.prepared, pointer.key, Prepared)
    if prepared is None:
        raise InvalidInput(f"{context.prepared.uri}{pointer.key} is missing or damaged; run the stage prepare again")
    clip_length = context.job.spec.training.clip_length
    usable = [video for video in prepared.clip_videos if video.frames >= clip_length]
    return prepared.model_copy(update={"clip_videos": usable})


def _read_pointer(context: Context) -> Pointer:
    pointer = read_record(context.output, PREPARED_POINTER_KEY, Pointer)
    if pointer is None:
        problem = "does not exist or is damaged, so that the data are not prepared"
    elif pointer.request != request_hash(context.job.spec):
        problem = "belongs to another manifest"
    else:
        return pointer
    raise InvalidInput(f"{context.output.uri}{PREPARED_POINTER_KEY} {problem}; run the stage prepare first")


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
    return None if context.output.find(MODEL_MANIFEST_KEY) else fetch_training_files(context, prepared)
