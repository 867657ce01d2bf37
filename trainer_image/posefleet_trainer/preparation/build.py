"""Building prepared data: the labelled frames go into an archive, the videos get indexes and proxies."""

from pathlib import Path

from posefleet_api.base import ApiModel
from posefleet_trainer.dataset.prepared import Prepared, SourceFile, StoredFile, Video
from posefleet_trainer.dataset.project import Project
from posefleet_trainer.preparation.frames import Sizes, archive_frames, check_labels
from posefleet_trainer.preparation.records import frames_hash, has_blob, put_blob, read_record, write_record
from posefleet_trainer.preparation.transcoding import VideoPreparer
from posefleet_trainer.store.base import Store
from posefleet_trainer.video.decode import Size


class Pictures(ApiModel):
    """The record of the labelled frames' pictures, which all have been decoded once."""

    archive: StoredFile
    sizes: Sizes


def build_prepared(
    project: Project,
    project_folder: Store,
    prepared_folder: Store,
    videos: VideoPreparer,
    proxy_size: Size,
    scratch: Path,
) -> Prepared:
    """Check the frames, which is quick, then prepare the videos, and put all their files into the store.

    Args:
        project: what the manifest selects from ``project_folder``.
        project_folder: where the pictures are read.
        prepared_folder: where prepared files and their records are written.
        videos: prepares the videos, for the same two folders.
        proxy_size: (height, width) of the proxies of the videos for clips.
        scratch: an empty directory on this node.

    Raises:
        InvalidInput: a frame or a video cannot be used; the message names it and the remedy.
    """
    pictures = _pictures(project, project_folder, prepared_folder, scratch / "frames.tar")
    labelled = check_labels(project, pictures.sizes)
    prepared_videos = _prepare_videos(project, videos, proxy_size)
    return Prepared(
        format=project.labels.format,
        keypoints=labelled.keypoints,
        columns=list(project.labels.labels.keypoints),
        skeleton=[list(pair) for pair in project.labels.skeleton if set(pair) <= set(labelled.keypoints)],
        frames=labelled.frames,
        frames_archive=pictures.archive,
        clip_videos=[prepared_videos[source.path] for source in project.clip_videos],
        predict_videos=[prepared_videos[source.path] for source in project.predict_videos],
        warnings=labelled.warnings,
    )


def _pictures(project: Project, project_folder: Store, prepared_folder: Store, target: Path) -> Pictures:
    """Return the archive of all labelled pictures; it is made again only when a picture changes."""
    record = f"frames/{frames_hash(project)}.json"
    known = read_record(prepared_folder, record, Pictures)
    if known is not None and has_blob(prepared_folder, known.archive):
        return known
    sizes = archive_frames(project_folder, project, target)
    pictures = Pictures(archive=put_blob(prepared_folder, target), sizes=sizes)
    target.unlink()
    write_record(prepared_folder, record, pictures)
    return pictures


def _prepare_videos(project: Project, videos: VideoPreparer, proxy_size: Size) -> dict[str, Video]:
    """Return the videos by their paths; one that both training and prediction read is prepared once."""
    wanted: dict[str, tuple[SourceFile, Size | None]] = {}
    for source in project.predict_videos:
        wanted[source.path] = (source, None)
    for source in project.clip_videos:
        wanted[source.path] = (source, proxy_size)
    prepared = videos.prepare(list(wanted.values()))
    return dict(zip(wanted, prepared, strict=True))
