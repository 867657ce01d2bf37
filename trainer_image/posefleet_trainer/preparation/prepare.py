"""The stage prepare: it turns a project folder into a checked data set in the store, once for all jobs on its data."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from posefleet_api.job import Spec
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.fingerprint import training_fingerprint
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.dataset.project import Project, read_project
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.manifest import ModelManifest
from posefleet_trainer.output_folder import MODEL_MANIFEST_KEY, PREPARED_POINTER_KEY
from posefleet_trainer.preparation.checks import check_job
from posefleet_trainer.preparation.load import Pointer, without_short_videos
from posefleet_trainer.preparation.records import dataset_hash, have_blobs, read_record, request_hash, write_record
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.fence import claim
from posefleet_trainer.store.open import check_writable

_log = logging.getLogger(__name__)


def prepare(context: Context) -> Prepared:
    """Check the project folder and store everything that the later stages read.

    Prepared data is found by a hash of what it was made from: a second job on the same data neither downloads nor
    decodes a video.

    Raises:
        InvalidInput: the manifest or the data is wrong; the message names the file, the row and the remedy.
        StoreUnreachable: the store did not answer.
    """
    context.progress.begin("prepare")
    check_writable(context.output)
    spec = context.job.spec
    project = read_project(context.project, spec)
    key = f"prepared/{dataset_hash(project, spec)}.json"
    prepared = _find_prepared(context.prepared, key)
    if prepared is None:
        prepared = _build(context, project, key)
    else:
        _log.info("found prepared data: %s%s", context.prepared.uri, key)
    _check_output(context.output, spec, prepared)
    left_out = check_job(spec, prepared, context.open_cache(), context.hub_directory)
    for warning in [*prepared.warnings, *project.warnings, *left_out]:
        context.progress.warn(warning)
    context.progress.conclusion = describe(prepared, len(context.progress.report().warnings))
    _log.info("%s", context.progress.conclusion)
    claim(context.output, context.attempt)
    write_record(context.output, PREPARED_POINTER_KEY, Pointer(request=request_hash(spec), key=key))
    context.progress.update(100.0)
    return prepared


def describe(prepared: Prepared, warnings: int) -> str:
    """Return one line for the job's author that counts what the data set consists of."""
    labelled = sum(frame.set == "labelled" for frame in prepared.frames)
    videos = {video.source.path for video in [*prepared.clip_videos, *prepared.predict_videos]}
    parts = [f"{_counted(labelled, 'labelled frame')} of {_counted(len(prepared.keypoints), 'keypoint')}"]
    for words, frame_set in (("out-of-distribution", "outOfDistribution"), ("held-out", "heldOut")):
        if others := sum(frame.set == frame_set for frame in prepared.frames):
            parts.append(f"{others} {words}")
    parts += [_counted(len(videos), "video"), f"format {prepared.format}"]
    if warnings:
        parts.append(_counted(warnings, "warning"))
    return ", ".join(parts)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _find_prepared(store: Store, key: str) -> Prepared | None:
    """Return the prepared data at ``key`` if all its files are in the store."""
    prepared = read_record(store, key, Prepared)
    return prepared if prepared is not None and have_blobs(store, prepared.files()) else None


def _check_output(output: Store, spec: Spec, prepared: Prepared) -> None:
    """Check that the output folder holds no finished model of another training, unless it may be overwritten."""
    model = read_record(output, MODEL_MANIFEST_KEY, ModelManifest)
    if model is None or spec.output.overwrite:
        return
    if model.fingerprint != training_fingerprint(spec, without_short_videos(prepared, spec)):
        raise InvalidInput(
            f"output.uri: {output.uri} holds the finished model of another training ({model.steps} steps), with other "
            "data or another manifest; to keep both, give this job another output.uri, or set output.overwrite to true "
            "to replace the model and its results"
        )


def _build(context: Context, project: Project, key: str) -> Prepared:
    # OpenCV and FFmpeg take most of a second to load, and a second job on the same data needs neither.
    from posefleet_trainer.preparation.build import build_prepared
    from posefleet_trainer.preparation.transcoding import VideoPreparer

    check_writable(context.prepared)
    scratch = context.cache_directory / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        videos = VideoPreparer(
            context.project,
            context.prepared,
            context.open_cache(),
            scratch=Path(folder),
            scratch_bytes=context.cache_bytes,
            cpus=context.job.spec.resources.cpus_per_node,
            report=context.progress.update,
        )
        image = context.job.spec.model.image_size
        prepared = build_prepared(
            project, context.project, context.prepared, videos, (image.height, image.width), Path(folder)
        )
    write_record(context.prepared, key, prepared)
    _log.info("prepared %d frames and wrote %s%s", len(prepared.frames), context.prepared.uri, key)
    return prepared
