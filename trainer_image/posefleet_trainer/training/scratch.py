"""Room on this node's disk for files on their way to the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def scratch_folder(cache_directory: Path) -> Iterator[Path]:
    """A folder of the caller's own: several jobs may share a cache directory. It is gone afterwards."""
    parent = cache_directory / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)
