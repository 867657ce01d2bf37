"""Videos: indexed, and copied at training size with short GOPs; each once, whatever job asks."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import SourceFile, StoredFile, Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.records import have_blobs, put_blob, read_record, video_hash, write_record
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.decode import Size
from posefleet_trainer.video.index import VideoIndex, build_index
from posefleet_trainer.video.proxy import write_proxy


class Stopped(Exception):
    """Another video failed, so that this one is of no use."""


@dataclass
class Workload:
    """How far the work on several videos is, and whether it goes on."""

    total_bytes: int
    report: Callable[[float], None]
    stop: threading.Event = field(default_factory=threading.Event)
    _done: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, source_bytes: float) -> None:
        """Count the work on so many bytes of a source as done.

        Raises:
            Stopped: nobody waits for it any more.
        """
        if self.stop.is_set():
            raise Stopped
        with self._lock:
            self._done += source_bytes
            share = min(1.0, self._done / max(1, self.total_bytes))
        self.report(100.0 * share)


@dataclass(frozen=True)
class Order:
    """What is to be done with one video."""

    source: SourceFile
    proxy_size: Size | None
    threads: int
    load: Workload


class Room:
    """Disk space that several threads share out: each waits until what it asks for is free."""

    def __init__(self, size_bytes: int) -> None:
        self._all = self._free = size_bytes
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size_bytes: int) -> Iterator[None]:
        """``size_bytes`` (or all there is, if that is less) for the block."""
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


class VideoPreparer:
    """Prepares videos on the CPUs of this node."""

    def __init__(self, context: Context, cache: NodeCache, scratch: Path) -> None:
        self._context = context
        self._cache = cache
        self._scratch = scratch
        self._room = Room(context.cache_bytes)

    def prepare(self, wanted: Sequence[tuple[SourceFile, Size | None]]) -> list[Video]:
        """One ``Video`` for each (source, size of its proxy or None), in the same order.

        Raises:
            InvalidInput: a file is no video, damaged, truncated, or larger than the cache; names it.
        """
        if not wanted:
            return []
        cpus = min(len(os.sched_getaffinity(0)), self._context.job.spec.resources.cpus_per_node)
        workers = max(1, min(cpus, len(wanted)))
        load = Workload(sum(source.size_bytes for source, _ in wanted), self._context.progress.update)
        orders = [Order(source, size, max(1, cpus // workers), load) for source, size in wanted]
        with ThreadPoolExecutor(workers, thread_name_prefix="video") as pool:
            futures = [pool.submit(self._one, order) for order in orders]
            try:
                return _results(futures)
            except BaseException:
                load.stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _one(self, order: Order) -> Video:
        store = self._context.prepared
        record = f"videos/{video_hash(self._context.project.uri, order.source, order.proxy_size)}.json"
        known = self._known(record)
        if known is not None:
            order.load.advance(order.source.size_bytes)
            return known
        with self._room.taken(order.source.size_bytes):
            video = self._fresh(order)
        write_record(store, record, video)
        return video

    def _known(self, record: str) -> Video | None:
        store = self._context.prepared
        video = read_record(store, record, Video)
        return video if video is not None and have_blobs(store, video.files()) else None

    def _fresh(self, order: Order) -> Video:
        project, source = self._context.project, order.source
        order.load.advance(0)
        path = self._cache.fetch(project, source.path, source.size_bytes, source.etag)
        try:
            with TemporaryDirectory(dir=self._scratch) as folder:
                return self._described(order, path, Path(folder))
        except UnreadableVideo as error:
            raise InvalidInput(f"{project.uri}{error}") from error
        finally:
            self._cache.release(path)

    def _described(self, order: Order, path: Path, folder: Path) -> Video:
        index = build_index(path, order.source.path)
        proxy, proxy_index = self._transcoded(order, path, index, folder)
        return Video(
            source=order.source,
            width=index.width,
            height=index.height,
            frames=index.frames,
            frames_per_second=index.frames_per_second,
            proxy=proxy,
            proxy_index=proxy_index,
            index=self._stored_index(index, folder / "index.npz"),
        )

    def _transcoded(
        self, order: Order, path: Path, index: VideoIndex, folder: Path
    ) -> tuple[StoredFile | None, StoredFile | None]:
        """The proxy and its index, if one is wanted."""
        if order.proxy_size is None:
            order.load.advance(order.source.size_bytes)
            return None, None
        target = folder / "proxy.mp4"
        bytes_per_frame = order.source.size_bytes / index.frames

        def advance(frames: int) -> None:
            order.load.advance(frames * bytes_per_frame)

        write_proxy(path, index, target, order.proxy_size, threads=order.threads, advance=advance)
        proxy_index = self._stored_index(build_index(target, order.source.path), folder / "proxy.npz")
        return put_blob(self._context.prepared, target), proxy_index

    def _stored_index(self, index: VideoIndex, path: Path) -> StoredFile:
        index.save(path)
        return put_blob(self._context.prepared, path)


def _results(futures: Sequence[Future[Video]]) -> list[Video]:
    """All results, or the first failure as soon as it happens."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
    return [future.result() for future in futures]
