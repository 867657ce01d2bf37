"""The files that are predicted and shown: labelled frames and videos, opened from the cache of this node."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.prepared import StoredFile, Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.index import VideoIndex


class ProjectFiles:
    """Opens labelled frames and videos; a file is kept in the cache until the ``with`` block ends.

    Args:
        project: The project folder, which has the videos.
        prepared: The folder of prepared data, which has the archive of labelled frames and the indexes of the videos.
        cache: The cache of this node, into which the files are downloaded.
    """

    def __init__(self, project: Store, prepared: Store, cache: NodeCache) -> None:
        self._project = project
        self._prepared = prepared
        self._cache = cache

    @contextmanager
    def labelled_frames(self, archive: StoredFile) -> Iterator[FrameArchive]:
        """Open the archive of labelled frames.

        Raises:
            InvalidInput: The archive is missing or damaged, or does not fit into the cache.
        """
        with (
            self._cache.using(self._prepared, archive.key, archive.size_bytes, archive.sha256) as path,
            closing(FrameArchive(path)) as frames,
        ):
            yield frames

    @contextmanager
    def video(self, video: Video) -> Iterator[tuple[Path, VideoIndex]]:
        """Open a video: its path in the cache, and its index of frames.

        Raises:
            InvalidInput: The video is missing, was changed after it was prepared, or cannot be decoded in the block.
            CacheFull: The files that other ranks use leave no room for it.
        """
        source, index = video.source, video.index
        try:
            with (
                self._cache.using(self._project, source.path, source.size_bytes, source.etag) as path,
                self._cache.using(self._prepared, index.key, index.size_bytes, index.sha256) as index_path,
            ):
                yield path, VideoIndex.load(index_path)
        except UnreadableVideo as error:
            raise InvalidInput(f"{self._project.uri}{error}") from error
