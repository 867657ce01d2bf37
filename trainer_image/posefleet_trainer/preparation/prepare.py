"""The stage prepare: from a project folder to a checked data set in the store, once for all jobs on the same data."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.dataset.project import Project, read_project
from posefleet_trainer.output_folder import PREPARED_POINTER_KEY
from posefleet_trainer.preparation.checks import check_job
from posefleet_trainer.preparation.load import Pointer
from posefleet_trainer.preparation.records import dataset_hash, have_blobs, read_record, request_hash, write_record
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import check_writable

_log = logging.getLogger(__name__)


def prepare(context: Context) -> Prepared:
    """Check the project folder and leave in the store what training reads.

    A second job on the same data finds it there by its content hash, and neither downloads nor decodes a video.

    Raises:
        InvalidInput: the manifest or the data are wrong: names file, row and remedy.
        StoreUnreachable: the store did not answer.
    """
    context.progress.begin("prepare")
    check_writable(context.output)
    project = read_project(context.project, context.job.spec)
    key = f"prepared/{dataset_hash(project, context.job.spec)}.json"
    prepared = _found(context.prepared, key)
    if prepared is None:
        prepared = _made(context, project, key)
    else:
        _log.info("found prepared data: %s%s", context.prepared.uri, key)
    for sentence in [*prepared.warnings, *project.warnings, *check_job(context, prepared)]:
        context.progress.warn(sentence)
    context.progress.conclusion = what_was_found(prepared, len(context.progress.report().warnings))
    _log.info("%s", context.progress.conclusion)
    pointer = Pointer(request=request_hash(context.job.spec), key=key)
    write_record(context.output, PREPARED_POINTER_KEY, pointer)
    context.progress.update(100.0)
    return prepared


def what_was_found(prepared: Prepared, warnings: int) -> str:
    """A prepared data set in a sentence for the job's author."""
    labelled = sum(frame.set == "labelled" for frame in prepared.frames)
    videos = {video.source.path for video in [*prepared.clip_videos, *prepared.predict_videos]}
    parts = [f"{_counted(labelled, 'labelled frame')} of {_counted(len(prepared.keypoints), 'keypoint')}"]
    if others := len(prepared.frames) - labelled:
        parts.append(f"{others} out-of-distribution")
    parts.append(_counted(len(videos), "video"))
    if warnings:
        parts.append(_counted(warnings, "warning"))
    return ", ".join(parts)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _found(store: Store, key: str) -> Prepared | None:
    """Prepared data that are there with all their files."""
    prepared = read_record(store, key, Prepared)
    return prepared if prepared is not None and have_blobs(store, prepared.files()) else None


def _made(context: Context, project: Project, key: str) -> Prepared:
    # OpenCV and FFmpeg take most of a second to load, and a second job on the same data needs neither.
    from posefleet_trainer.preparation.build import make_prepared

    check_writable(context.prepared)
    scratch = context.cache_directory / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        prepared = make_prepared(context, project, Path(folder))
    write_record(context.prepared, key, prepared)
    _log.info("prepared %d frames and wrote %s%s", len(prepared.frames), context.prepared.uri, key)
    return prepared
