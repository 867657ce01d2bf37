import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from posefleet_trainer.dataset.frame_archive import FrameArchive, decode_image, write_archive
from posefleet_trainer.errors import InvalidInput


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def test_pictures_come_back_as_they_were_in_rgb(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    write_archive(tmp_path / "a.tar", [("labeled-data/ü/a.png", png(image)), ("b.png", png(image[:2]))])

    archive = FrameArchive(tmp_path / "a.tar")

    assert archive.encoded("labeled-data/ü/a.png") == png(image)
    assert np.array_equal(archive.image("labeled-data/ü/a.png"), image[..., ::-1])
    assert archive.image("b.png").shape == (2, 7, 3)
    archive.close()


def test_same_pictures_make_the_same_archive(tmp_path: Path):
    for name in ("a.tar", "b.tar"):
        write_archive(tmp_path / name, [("x" * 150 + ".png", b"1"), ("y.png", b"2")])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_missing_frame_is_named(tmp_path: Path):
    write_archive(tmp_path / "a.tar", [])
    with pytest.raises(InvalidInput, match=r"x.png is not among the prepared frames"):
        FrameArchive(tmp_path / "a.tar").encoded("x.png")


@pytest.mark.parametrize(
    "image", [np.full((4, 6), 7, np.uint8), np.full((4, 6, 4), 7, np.uint8), np.full((4, 6), 1799, np.uint16)]
)
def test_grey_transparent_and_deep_pictures_become_rgb(image: np.ndarray):
    decoded = decode_image(png(image), "a.png")
    assert decoded.shape == (4, 6, 3)
    assert np.all(decoded == 7)


@pytest.mark.parametrize("content", [b"", b"text", png(np.zeros((4, 4, 3), np.uint8))[:20]])
def test_what_is_no_picture_is_refused_by_name(content: bytes):
    with pytest.raises(InvalidInput, match=r"img/a.png cannot be read as a picture"):
        decode_image(content, "img/a.png")


def test_damaged_picture_is_refused_or_decoded_but_never_crashes():
    whole = png(np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8))
    with pytest.raises(InvalidInput, match="damaged picture"):
        decode_image(whole[:60], "a.png")


def test_header_that_promises_too_many_pixels_is_refused_without_decoding():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(InvalidInput, match="pixels; store smaller pictures"):
        decode_image(bomb + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")), "a.png")


def test_rotation_by_exif_is_left_alone():
    image = np.zeros((4, 8, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    orientation = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    block = b"Exif\0\0" + orientation
    tagged = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
    assert decode_image(tagged, "a.jpg").shape == (4, 8, 3)
