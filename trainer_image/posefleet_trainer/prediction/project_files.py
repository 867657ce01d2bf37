"""The files that are predicted and shown: labelled frames and videos, opened from the cache of this node."""

from collections.abc import Iterator
from contextlib import contextmanager
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
        path = self._cache.fetch(self._prepared, archive.key, archive.size_bytes, archive.sha256)
        frames = FrameArchive(path)
        try:
            yield frames
        finally:
            frames.close()
            self._cache.release(path)

    @contextmanager
    def video(self, video: Video) -> Iterator[tuple[Path, VideoIndex]]:
        """Open a video: its path in the cache, and its index of frames.

        Raises:
            InvalidInput: The video is missing, was changed after it was prepared, or cannot be decoded in the block.
            CacheFull: The files that other ranks use leave no room for it.
        """
        source, index = video.source, video.index
        path = self._cache.fetch(self._project, source.path, source.size_bytes, source.etag)
        try:
            index_path = self._cache.fetch(self._prepared, index.key, index.size_bytes, index.sha256)
            try:
                yield path, VideoIndex.load(index_path)
            finally:
                self._cache.release(index_path)
        except UnreadableVideo as error:
            raise InvalidInput(f"{self._project.uri}{error}") from error
        finally:
            self._cache.release(path)
