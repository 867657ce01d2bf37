"""Prepared files in the store, the JSON records that refer to them, and the hashes that name both.

A prepared file has a key made from the hash of its content. A record has a key made from the hash of everything that
its content depends on, so that a job finds the record before it has done any of the work.
"""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from posefleet_api.base import ApiModel
from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import FORMAT_VERSION, SourceFile, StoredFile
from posefleet_trainer.dataset.project import Project, wants_clips
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.files import sha256_of

#: Increase it when the index or the proxy of the same video comes out differently.
VIDEO_VERSION = 2

_PARALLEL_QUERIES = 8

Record = TypeVar("Record", bound=ApiModel)


def put_blob(store: Store, path: Path) -> StoredFile:
    """Upload the file ``path`` under a key made from its content, unless the store has it already."""
    digest = sha256_of(path)
    blob = StoredFile(key=f"files/{digest}{path.suffix}", size_bytes=path.stat().st_size, sha256=digest)
    if not has_blob(store, blob):
        store.upload(path, blob.key)
    return blob


def has_blob(store: Store, blob: StoredFile) -> bool:
    """Return whether the store has the file with its full size."""
    found = store.find(blob.key)
    return found is not None and found.size_bytes == blob.size_bytes


def have_blobs(store: Store, blobs: Iterable[StoredFile]) -> bool:
    """Return whether the store has all the files; several are looked up at once."""
    distinct = {blob.key: blob for blob in blobs}
    with ThreadPoolExecutor(_PARALLEL_QUERIES, thread_name_prefix="find") as pool:
        return all(pool.map(lambda blob: has_blob(store, blob), distinct.values()))


def read_record(store: Store, key: str, kind: type[Record]) -> Record | None:
    """Return the record at ``key``, or None if it does not exist or is not a valid record of this kind."""
    if store.find(key) is None:
        return None
    try:
        return kind.model_validate_json(store.read(key))
    except ValidationError:
        return None


def write_record(store: Store, key: str, record: ApiModel) -> None:
    """Write ``record`` to ``key`` as JSON."""
    store.write(key, record.to_json().encode(), "application/json")


def dataset_hash(project: Project, spec: Spec) -> str:
    """Return the hash of everything that prepared data depends on: labels, pictures, videos, and the proxies' size."""
    return _digest(
        {
            "format": [FORMAT_VERSION, VIDEO_VERSION],
            "uri": project.uri,
            "read as": project.labels.format,
            "size": _proxy_size(spec) if project.clip_videos else None,
            "labels": _listed(project.labels_files),
            "frames": _listed(project.frames[path] for path in sorted(project.frames)),
            "clips": _listed(project.clip_videos),
            "predict": _listed(project.predict_videos),
        }
    )


def frames_hash(project: Project) -> str:
    """Return the hash of everything that the archive of labelled pictures depends on."""
    return _digest({"uri": project.uri, "frames": _listed(project.frames[path] for path in sorted(project.frames))})


def video_hash(uri: str, source: SourceFile, proxy_size: tuple[int, int] | None) -> str:
    """Return the hash of everything that a prepared video depends on.

    Args:
        uri: the project folder.
        source: the video.
        proxy_size: (height, width) of its proxy; None if it gets no proxy.
    """
    return _digest({"version": VIDEO_VERSION, "uri": uri, "source": _listed([source]), "size": proxy_size})


def request_hash(spec: Spec) -> str:
    """Return the hash of the fields of a manifest that prepared data depends on, whatever the folder contains."""
    has_clips = wants_clips(spec)
    return _digest(
        {
            "format": FORMAT_VERSION,
            "uri": spec.dataset.uri,
            "labels": spec.dataset.labels,
            "read as": spec.dataset.format,
            "clips": spec.dataset.videos if has_clips else None,
            "size": _proxy_size(spec) if has_clips else None,
            "predict": spec.predict.videos,
        }
    )


def _proxy_size(spec: Spec) -> list[int]:
    return [spec.model.image_size.height, spec.model.image_size.width]


def _listed(files: Iterable[SourceFile]) -> list[list[Any]]:
    return [[file.path, file.size_bytes, file.etag] for file in files]


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
