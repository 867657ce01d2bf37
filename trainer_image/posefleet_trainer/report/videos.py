"""The labelled videos of a job, shared out over its ranks."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.evaluation.results import PredictedVideo
from posefleet_trainer.report.labelled_video import Source, write_labelled_video
from posefleet_trainer.report.material import LABELLED_VIDEOS, Material
from posefleet_trainer.store.cache import CacheFull
from posefleet_trainer.training.collectives import total
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.index import VideoIndex

#: Ranks meet this often, far below the patience of a collective, however unequal the videos are.
_MEET_EVERY_SECONDS = 15.0
#: How often a rank looks whether the others have left room for its video.
_LOOK_AGAIN_SECONDS = 1.0
#: What remains is the page.
_PERCENT_OF_VIDEOS = 90.0


def video_uris(material: Material) -> list[str]:
    """Where the labelled videos are."""
    if not material.context.job.spec.predict.labelled_video:
        return []
    output = material.context.output
    return [f"{output.uri}{LABELLED_VIDEOS}/{video.name}.mp4" for video in material.predictions.videos]


def write_labelled_videos(material: Material) -> None:
    """Write every video with its keypoints drawn in; all ranks call it together. Video i is rank (i mod world)'s.

    Raises:
        InvalidInput: a video cannot be decoded.
        CacheFull: the cache has no room for a video although no rank uses it.
    """
    rank = material.context.rank
    videos = material.predictions.videos
    frames = max(1, sum(predicted.video.frames for predicted in videos))
    work = _Work(material, videos[rank.index :: rank.world])
    unfinished, done = True, 0.0
    while unfinished:
        mine, left = work.go_on()
        more, ranks_left = total([mine, left])
        done += more
        unfinished = ranks_left > 0
        if unfinished and not more and work.full is not None:
            raise work.full
        material.context.progress.update(_PERCENT_OF_VIDEOS * done / frames)


class _Work:
    """One rank's videos. ``full`` says why it waits: the files of the other ranks fill the cache of the node."""

    def __init__(self, material: Material, videos: list[PredictedVideo]) -> None:
        self.full: CacheFull | None = None
        self._material = material
        self._frames = self._write(videos)

    def go_on(self) -> tuple[int, bool]:
        """Work for a while; how many frames were written, and whether there are more."""
        until = time.monotonic() + _MEET_EVERY_SECONDS
        written = 0
        for frames in self._frames:
            written += frames
            if time.monotonic() > until:
                return written, True
        return written, False

    def _write(self, videos: list[PredictedVideo]) -> Iterator[int]:
        material = self._material
        keypoints, style = material.predictions.keypoints, material.style
        with TemporaryDirectory(dir=material.context.cache_directory, prefix="labelled-") as folder:
            target = Path(folder) / "labelled.mp4"
            for predicted in videos:
                poses = material.poses(predicted)
                with ExitStack() as held:
                    while (source := self._source(held, predicted.video)) is None:
                        time.sleep(_LOOK_AGAIN_SECONDS)
                        yield 0
                    path, index = source
                    yield from write_labelled_video(Source(path, index, poses), keypoints, style, target)
                material.context.output.upload(target, f"{LABELLED_VIDEOS}/{predicted.name}.mp4", "video/mp4")
                target.unlink()

    def _source(self, held: ExitStack, video: Video) -> tuple[Path, VideoIndex] | None:
        """The video until ``held`` ends; None while there is no room for it."""
        try:
            source = held.enter_context(source_of(self._material, video))
        except CacheFull as full:
            self.full = full
            return None
        self.full = None
        return source


@contextmanager
def source_of(material: Material, video: Video) -> Iterator[tuple[Path, VideoIndex]]:
    """A video of the project and its index, on this node for the duration."""
    context, cache = material.context, material.cache
    source, stored = video.source, video.index
    path = cache.fetch(context.project, source.path, source.size_bytes, source.etag)
    try:
        index_path = cache.fetch(context.prepared, stored.key, stored.size_bytes, stored.sha256)
        try:
            yield path, VideoIndex.load(index_path)
        finally:
            cache.release(index_path)
    except UnreadableVideo as error:
        raise InvalidInput(f"{context.project.uri}{error}") from error
    finally:
        cache.release(path)
