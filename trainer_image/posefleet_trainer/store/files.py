"""Files that appear whole or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK_BYTES = 4 * 2**20


def part_of(target: Path) -> Path:
    """Where ``target`` grows until it is whole."""
    return target.with_name(f"{target.name}.part")


@contextmanager
def growing_file(target: Path, size_bytes: int) -> Iterator[int]:
    """A descriptor of ``NAME.part``, which becomes ``target`` if the block ends well and the size is right.

    Raises:
        OSError: the size is wrong, or the disk failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, size_bytes)
        yield descriptor
        if os.fstat(descriptor).st_size != size_bytes:
            raise OSError(f"{part} has {os.fstat(descriptor).st_size} bytes, not {size_bytes}")
        os.fsync(descriptor)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The file's sha256 as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
