"""The names under which the results of predicted videos are written, and the check that they do not overlap."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from posefleet_trainer.errors import InvalidInput

#: What follows the name of a video in the names of its CSV files.
RESULT_SUFFIXES = ("", "_temporal_norm", "_pca_singleview_error", "_pca_multiview_error")


def video_names(paths: Sequence[str]) -> list[str]:
    """Name each video by its stem, or by its whole path if another video has the same stem."""
    videos = [PurePosixPath(path) for path in paths]
    stems = [video.stem for video in videos]
    return [video.stem if stems.count(video.stem) == 1 else "_".join(video.parts).replace(".", "_") for video in videos]


def check_video_names(paths: Sequence[str]) -> None:
    """Check that no result of one video would overwrite a result of another.

    Raises:
        InvalidInput: two videos would write a file of the same name; the message names both.
    """
    owners: dict[str, str] = {}
    for path, name in zip(paths, video_names(paths), strict=True):
        for suffix in RESULT_SUFFIXES:
            owner = owners.setdefault(f"{name}{suffix}", path)
            if owner != path:
                raise InvalidInput(
                    f"the results of {owner} and {path} would both be written to {name}{suffix}.csv; rename one of the "
                    "videos, or predict them in two jobs"
                )
