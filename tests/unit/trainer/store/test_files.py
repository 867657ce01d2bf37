import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.store.files import RANGE_BYTES, download_ranges, part_of, ranges_of


@given(size=st.integers(0, 10_000), length=st.integers(1, 999))
def test_ranges_cover_every_byte_once(size: int, length: int):
    covered = [place for offset, count in ranges_of(size, length) for place in range(offset, offset + count)]
    assert covered == list(range(size))


def test_ranges_are_read_side_by_side_and_put_in_their_places(tmp_path: Path):
    size = 2 * RANGE_BYTES + 5
    together = threading.Barrier(3, timeout=20)

    def read(offset: int, length: int) -> bytes:
        together.wait()
        return bytes([offset // RANGE_BYTES + 1]) * length

    download_ranges(read, size, tmp_path / "a")

    content = (tmp_path / "a").read_bytes()
    assert [content.count(n) for n in (1, 2, 3)] == [RANGE_BYTES, RANGE_BYTES, 5]
    assert content[-5:] == b"\3" * 5


def test_target_does_not_appear_before_it_is_whole(tmp_path: Path):
    target = tmp_path / "a"

    def read(offset: int, length: int) -> bytes:
        assert not target.exists()
        assert part_of(target).stat().st_size == 100
        if offset == 0:
            raise OSError("gone")
        return bytes(length)

    with pytest.raises(OSError, match="gone"):
        download_ranges(read, 100, target)
    assert list(tmp_path.iterdir()) == []


def test_empty_object_is_an_empty_file(tmp_path: Path):
    download_ranges(lambda offset, length: b"", 0, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b""
