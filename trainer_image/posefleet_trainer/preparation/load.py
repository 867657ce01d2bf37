"""Loading prepared data: the record of a job's data set, and its files on this node's disk."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from posefleet_api.base import ApiModel
from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import Prepared, StoredFile
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.output_folder import PREPARED_POINTER_KEY
from posefleet_trainer.preparation.records import read_record, request_hash
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.telemetry.progress import ProgressTracker

#: Files that are downloaded at a time; each is downloaded in several ranges at once.
_PARALLEL_FILES = 4


class Pointer(ApiModel):
    """What the stage prepare writes to the output folder: which prepared data the job reads.

    All attempts of a job read the same prepared data through it, even if the project folder changes meanwhile.
    """

    request: str
    """``request_hash`` of the manifest that the data was prepared for."""
    key: str
    """The key of the ``Prepared`` record in the prepared-data folder (``output.cacheUri``)."""


@dataclass(frozen=True)
class Fetched:
    """Prepared files in the node's cache, which keeps them until it is closed."""

    cache: NodeCache
    paths: Mapping[str, Path]
    """By their keys in the store."""

    def path(self, file: StoredFile) -> Path:
        """Return the local path of a prepared file."""
        return self.paths[file.key]


def load_prepared(output: Store, prepared: Store, spec: Spec) -> Prepared:
    """Return the data set that was prepared for this job, without the videos for clips that are shorter than a clip.

    Args:
        output: the output folder of the job (``output.uri``).
        prepared: the prepared-data folder (``output.cacheUri``).
        spec: the manifest.

    Raises:
        InvalidInput: the stage prepare has not run for this manifest, or its record is gone.
    """
    pointer = _read_pointer(output, spec)
    record = read_record(prepared, pointer.key, Prepared)
    if record is None:
        raise InvalidInput(f"{prepared.uri}{pointer.key} is missing or damaged; run the stage prepare again")
    return without_short_videos(record, spec)


def without_short_videos(prepared: Prepared, spec: Spec) -> Prepared:
    """Return ``prepared`` without the videos for clips that are shorter than a clip."""
    usable = [video for video in prepared.clip_videos if video.frames >= spec.training.clip_length]
    return prepared.model_copy(update={"clip_videos": usable})


def _read_pointer(output: Store, spec: Spec) -> Pointer:
    pointer = read_record(output, PREPARED_POINTER_KEY, Pointer)
    if pointer is None:
        problem = "does not exist or is damaged, so the data is not prepared"
    elif pointer.request != request_hash(spec):
        problem = "belongs to another manifest"
    else:
        return pointer
    raise InvalidInput(f"{output.uri}{PREPARED_POINTER_KEY} {problem}; run the stage prepare first")


def training_files(prepared: Prepared) -> list[StoredFile]:
    """Return the files that training reads, each once.

    They are the labelled frames and the proxies of the videos for clips with their indexes.
    """
    files = [prepared.frames_archive]
    for video in prepared.clip_videos:
        files += [file for file in (video.proxy, video.proxy_index) if file is not None]
    return list({file.key: file for file in files}.values())


def fetch_training_files(store: Store, cache: NodeCache, prepared: Prepared, progress: ProgressTracker) -> Fetched:
    """Download the files that training reads from ``store``, the prepared-data folder, into the node's cache.

    Of the ranks that share the cache, one downloads a file and the others wait for it.

    Raises:
        InvalidInput: a file is missing or damaged, or does not fit into the cache.
        StoreUnreachable: the store did not answer.
    """

    def fetch(file: StoredFile) -> Path:
        path = cache.fetch(store, file.key, file.size_bytes, file.sha256)
        # Rank 0 may find every file in the cache, each downloaded by another rank just before.
        progress.alive()
        return path

    files = training_files(prepared)
    with ThreadPoolExecutor(_PARALLEL_FILES, thread_name_prefix="fetch") as pool:
        paths = list(pool.map(fetch, files))
    return Fetched(cache, {file.key: path for file, path in zip(files, paths, strict=True)})
