"""Prepared files in the store, named by their content, and the records that name them."""

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

Record = TypeVar("Record", bound=ApiModel)

_PARALLEL = 8


def put_blob(store: Store, path: Path) -> StoredFile:
    """Upload ``path`` unless its content is there already."""
    digest = sha256_of(path)
    blob = StoredFile(key=f"files/{digest}{path.suffix}", size_bytes=path.stat().st_size, sha256=digest)
    if not has_blob(store, blob):
        store.upload(path, blob.key)
    return blob


def has_blob(store: Store, blob: StoredFile) -> bool:
    """Whether the file is there in full."""
    found = store.find(blob.key)
    return found is not None and found.size_bytes == blob.size_bytes


def have_blobs(store: Store, blobs: Iterable[StoredFile]) -> bool:
    """Whether all the files are there in full; asks for several at once."""
    distinct = {blob.key: blob for blob in blobs}
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="find") as pool:
        return all(pool.map(lambda blob: has_blob(store, blob), distinct.values()))


def read_record(store: Store, key: str, kind: type[Record]) -> Record | None:
    """The record at ``key``; None if it is not there, or is not what this version writes."""
    if store.find(key) is None:
        return None
    try:
        return kind.model_validate_json(store.read(key))
    except ValidationError:
        return None


def write_record(store: Store, key: str, record: ApiModel) -> None:
    """Put ``record`` at ``key`` as JSON."""
    store.write(key, record.to_json().encode(), "application/json")


#: Raise it when an index or a proxy of the same video comes out differently.
VIDEO_VERSION = 2


def dataset_hash(project: Project, spec: Spec) -> str:
    """Of everything that prepared data are a function of."""
    return _digest(
        {
            "format": [FORMAT_VERSION, VIDEO_VERSION],
            "uri": project.uri,
            "size": _proxy_size(spec) if wants_clips(spec) else None,
            "labels": _listed(project.labels_files),
            "frames": _listed(project.frames[path] for path in sorted(project.frames)),
            "clips": _listed(project.clip_videos),
            "predict": _listed(project.predict_videos),
        }
    )


def frames_hash(project: Project) -> str:
    """Of the labelled frames' pictures."""
    return _digest({"uri": project.uri, "frames": _listed(project.frames[path] for path in sorted(project.frames))})


def video_hash(uri: str, source: SourceFile, proxy_size: tuple[int, int] | None) -> str:
    """Of one video, and of the proxy that is made of it, if any."""
    return _digest({"version": VIDEO_VERSION, "uri": uri, "source": _listed([source]), "size": proxy_size})


def request_hash(spec: Spec) -> str:
    """Of what the manifest asks prepare for, whatever the folder holds."""
    return _digest(
        {
            "format": FORMAT_VERSION,
            "uri": spec.dataset.uri,
            "labels": spec.dataset.labels,
            "clips": spec.dataset.videos if wants_clips(spec) else None,
            "size": _proxy_size(spec) if wants_clips(spec) else None,
            "predict": spec.predict.videos,
        }
    )


def _proxy_size(spec: Spec) -> list[int]:
    return [spec.model.image_size.height, spec.model.image_size.width]


def _listed(files: Iterable[SourceFile]) -> list[list[Any]]:
    return [[file.path, file.size_bytes, file.etag] for file in files]


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
