"""Labelled frames as pictures: decoded within bounds, for they come from outside."""

import io

import cv2
import numpy as np
from PIL import Image as Header

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.telemetry.metrics import DECODED_FRAMES
from posefleet_trainer.video.resize import Image

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 2**26


def decode_image(content: bytes, name: str) -> Image:
    """The picture as (height, width, 3) uint8 RGB, as it was stored (no rotation by EXIF).

    Raises:
        InvalidInput: no picture, damaged, or too large; names it.
    """
    _check_header(content, name)
    encoded = np.frombuffer(content, dtype=np.uint8)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None:
        raise InvalidInput(f"{name} is a damaged picture; replace it or remove its row")
    DECODED_FRAMES.inc()
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _check_header(content: bytes, name: str) -> None:
    """Refuse by the header alone what would take too much memory to decode."""
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(f"{name} has more than {MAX_FILE_BYTES // 2**20} MiB; store smaller pictures")
    try:
        with Header.open(io.BytesIO(content)) as header:
            width, height = header.size
    except Header.DecompressionBombError:
        width = height = MAX_PIXELS
    except Exception as error:
        raise InvalidInput(f"{name} is no picture that can be read; replace it or remove its row") from error
    if width * height > MAX_PIXELS:
        raise InvalidInput(f"{name} has more than {MAX_PIXELS:,} pixels; store smaller pictures")
