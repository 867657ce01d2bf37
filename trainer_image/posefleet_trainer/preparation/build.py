"""The work of the stage prepare: labelled frames into an archive, videos into indexes and proxies."""

from pathlib import Path

from posefleet_api.base import ApiModel
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.frames import archive_frames, checked_frames
from posefleet_trainer.dataset.prepared import Prepared, SourceFile, StoredFile, Video
from posefleet_trainer.dataset.project import Project
from posefleet_trainer.preparation.records import frames_hash, has_blob, put_blob, read_record, write_record
from posefleet_trainer.preparation.transcoding import VideoPreparer
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.decode import Size


class Pictures(ApiModel):
    """The pictures of the labelled frames, checked."""

    archive: StoredFile
    sizes: dict[str, list[int]]
    """[width, height] by path."""


def make_prepared(context: Context, project: Project, scratch: Path) -> Prepared:
    """Check the frames, which is quick, then the videos; all files are in the store in the end.

    Raises:
        InvalidInput: a frame or video cannot be used; names it and the remedy.
    """
    pictures = _pictures(context, project, scratch / "frames.tar")
    frames, warnings = checked_frames(project, pictures.sizes)
    videos = _videos(context, project, scratch)
    return Prepared(
        keypoints=list(project.labels.keypoints),
        frames=frames,
        frames_archive=pictures.archive,
        clip_videos=[videos[source.path] for source in project.clip_videos],
        predict_videos=[videos[source.path] for source in project.predict_videos],
        warnings=warnings,
    )


def _pictures(context: Context, project: Project, target: Path) -> Pictures:
    """The archive of all labelled pictures; made once, whatever else of the project changes."""
    store = context.prepared
    record = f"frames/{frames_hash(project)}.json"
    known = read_record(store, record, Pictures)
    if known is not None and has_blob(store, known.archive):
        return known
    sizes = archive_frames(context.project, project, target)
    pictures = Pictures(archive=put_blob(store, target), sizes=sizes)
    target.unlink()
    write_record(store, record, pictures)
    return pictures


def _videos(context: Context, project: Project, scratch: Path) -> dict[str, Video]:
    """The videos by their paths; one that both training and prediction read is prepared once."""
    size: Size = (context.job.spec.model.image_size.height, context.job.spec.model.image_size.width)
    wanted: dict[str, tuple[SourceFile, Size | None]] = {}
    for source in project.predict_videos:
        wanted[source.path] = (source, None)
    for source in project.clip_videos:
        wanted[source.path] = (source, size)
    cache = NodeCache(context.cache_directory, context.cache_bytes)
    prepared = VideoPreparer(context, cache, scratch).prepare(list(wanted.values()))
    return dict(zip(wanted, prepared, strict=True))
