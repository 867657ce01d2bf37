"""The image of every pod's first process."""

from pathlib import Path

from ..tools import golang
from ..tools.build_once import Report, digest, quiet
from . import buildah
from .archive import ImageArchive, image_archive

PAUSE_IMAGE = "localhost/pause:1"


def pause_image(report: Report = quiet) -> ImageArchive:
    """Return the archive of ``localhost/pause:1``: one static program and nothing else."""
    program = golang.build("pause", ".", report)

    def fill(container: str, _work: Path) -> None:
        buildah.run("copy", "--quiet", "--chmod", "0755", container, program, "/pause")
        buildah.run("config", "--entrypoint", '["/pause"]', "--user", "65535:65535", container)

    return image_archive(PAUSE_IMAGE, digest(program.parent.name.encode()), fill, report)
