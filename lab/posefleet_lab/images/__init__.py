"""Container images made on this computer, without a registry: by debootstrap and buildah."""

from .base import BASE_IMAGE, base_image
from .pause import PAUSE_IMAGE, pause_image

__all__ = ["BASE_IMAGE", "PAUSE_IMAGE", "base_image", "pause_image"]
