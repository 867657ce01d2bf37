"""Content hashes: what prepared data are found by."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import FORMAT_VERSION, SourceFile
from posefleet_trainer.dataset.project import Project, wants_clips

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
