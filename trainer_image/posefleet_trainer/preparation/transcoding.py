"""Preparing videos on the CPUs of one node: each gets an index and, if training reads clips of it, a proxy."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from posefleet_trainer.dataset.prepared import SourceFile, StoredFile, Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.records import have_blobs, put_blob, read_record, video_hash, write_record
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.decode import Size
from posefleet_trainer.video.index import VideoIndex, build_index
from posefleet_trainer.video.proxy import write_proxy


class Cancelled(Exception):
    """Another video failed or the job was asked to stop, so that the result of this one is not wanted any more."""


@dataclass
class Workload:
    """The common progress of the threads that prepare videos, and the event that cancels them."""

    total_bytes: int
    report: Callable[[float], None]
    """Is called with the percentage of the work that is done."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    _done: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, source_bytes: float) -> None:
        """Count the work on ``source_bytes`` bytes of a source video as done.

        Raises:
            Cancelled: the work has been cancelled.
        """
        if self.cancelled.is_set():
            raise Cancelled
        with self._lock:
            self._done += source_bytes
            share = min(1.0, self._done / max(1, self.total_bytes))
        self.report(100.0 * share)


class DiskSpace:
    """Disk space that several threads share: each waits until as much as it needs is free."""

    def __init__(self, size_bytes: int) -> None:
        self._all = self._free = size_bytes
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, size_bytes: int) -> Iterator[None]:
        """Reserve ``size_bytes`` for the block, or all the space if that is less."""
        wanted = min(size_bytes, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


@dataclass(frozen=True)
class _Task:
    """The work on one video."""

    source: SourceFile
    proxy_size: Size | None
    threads: int
    workload: Workload


class VideoPreparer:
    """Prepares the videos of a project folder on the CPUs of this node.

    Args:
        project_folder: where the videos are read.
        prepared_folder: where indexes, proxies and their records are written.
        cache: holds a video on disk while it is prepared.
        scratch: an empty directory on this node.
        scratch_bytes: how many bytes of source videos may be prepared at a time.
        cpus: how many CPUs to use at most.
        report: is called with the percentage of the work that is done.
    """

    def __init__(
        self,
        project_folder: Store,
        prepared_folder: Store,
        cache: NodeCache,
        *,
        scratch: Path,
        scratch_bytes: int,
        cpus: int,
        report: Callable[[float], None],
    ) -> None:
        self._project_folder = project_folder
        self._prepared_folder = prepared_folder
        self._cache = cache
        self._scratch = scratch
        self._space = DiskSpace(scratch_bytes)
        self._cpus = cpus
        self._report = report

    def prepare(self, wanted: Sequence[tuple[SourceFile, Size | None]]) -> list[Video]:
        """Prepare each (source, size of its proxy or None) and return the videos in the same order.

        A video that has been prepared before, by any job, is only looked up.

        Raises:
            InvalidInput: a file is not a video, is damaged or truncated, or is larger than the cache; the message
                names it.
        """
        if not wanted:
            return []
        cpus = min(len(os.sched_getaffinity(0)), self._cpus)
        workers = max(1, min(cpus, len(wanted)))
        workload = Workload(sum(source.size_bytes for source, _ in wanted), self._report)
        tasks = [_Task(source, size, max(1, cpus // workers), workload) for source, size in wanted]
        with ThreadPoolExecutor(workers, thread_name_prefix="video") as pool:
            futures = [pool.submit(self._prepare_one, task) for task in tasks]
            try:
                return _results(futures)
            except BaseException:
                workload.cancelled.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _prepare_one(self, task: _Task) -> Video:
        key = f"videos/{video_hash(self._project_folder.uri, task.source, task.proxy_size)}.json"
        known = read_record(self._prepared_folder, key, Video)
        if known is not None and have_blobs(self._prepared_folder, known.files()):
            task.workload.advance(task.source.size_bytes)
            return known
        with self._space.reserved(task.source.size_bytes):
            video = self._download_and_build(task)
        write_record(self._prepared_folder, key, video)
        return video

    def _download_and_build(self, task: _Task) -> Video:
        source = task.source
        task.workload.advance(0)
        try:
            with (
                self._cache.using(self._project_folder, source.path, source.size_bytes, source.etag) as path,
                TemporaryDirectory(dir=self._scratch) as folder,
            ):
                return self._build(task, path, Path(folder))
        except UnreadableVideo as error:
            raise InvalidInput(f"{self._project_folder.uri}{error}") from error

    def _build(self, task: _Task, path: Path, folder: Path) -> Video:
        index = build_index(path, task.source.path)
        proxy, proxy_index = self._build_proxy(task, path, index, folder)
        return Video(
            source=task.source,
            width=index.width,
            height=index.height,
            frames=index.frames,
            frames_per_second=index.frames_per_second,
            proxy=proxy,
            proxy_index=proxy_index,
            index=self._put_index(index, folder / "index.npz"),
        )

    def _build_proxy(
        self, task: _Task, path: Path, index: VideoIndex, folder: Path
    ) -> tuple[StoredFile | None, StoredFile | None]:
        """Return the stored proxy and its index, or twice None if no proxy is wanted."""
        if task.proxy_size is None:
            task.workload.advance(task.source.size_bytes)
            return None, None
        target = folder / "proxy.mp4"
        bytes_per_frame = task.source.size_bytes / index.frames

        def advance(frames: int) -> None:
            task.workload.advance(frames * bytes_per_frame)

        write_proxy(path, index, target, task.proxy_size, threads=task.threads, advance=advance)
        proxy_index = self._put_index(build_index(target, task.source.path), folder / "proxy.npz")
        return put_blob(self._prepared_folder, target), proxy_index

    def _put_index(self, index: VideoIndex, path: Path) -> StoredFile:
        index.save(path)
        return put_blob(self._prepared_folder, path)


def _results(futures: Sequence[Future[Video]]) -> list[Video]:
    """Wait for all results, or raise the first failure as soon as it happens."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
    return [future.result() for future in futures]
