"""Images as OCI archives in the cache directory, made once and brought into buildah's store on demand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..paths import cache_directory
from ..tools.build_once import Report, build_once
from . import buildah


@dataclass(frozen=True)
class ImageArchive:
    """An OCI archive of the image ``name`` and the image's id."""

    name: str
    directory: Path

    @property
    def file(self) -> Path:
        """Return the archive."""
        return self.directory / "image.tar"

    @property
    def image_id(self) -> str:
        """Return the id that the image has in every store."""
        return (self.directory / "image-id").read_text().strip()

    def into_buildah(self) -> str:
        """Make sure that buildah's store has this very image under its name; return the name."""
        if buildah.image_id(self.name) != self.image_id:
            pulled = buildah.run("pull", "--quiet", f"oci-archive:{self.file}")
            buildah.run("tag", pulled, self.name)
        return self.name


def image_archive(name: str, key: str, fill: Callable[[str, Path], None], report: Report) -> ImageArchive:
    """Return the archive of ``name``, made if the cache has none for ``key``, a hash of what goes into it.

    ``fill`` gets an empty buildah container and a directory for its work, and puts the content and the
    configuration into the container.
    """

    def build(directory: Path) -> None:
        with buildah.from_scratch() as container, TemporaryDirectory(dir=directory) as work:
            fill(container, Path(work))
            buildah.run("commit", "--quiet", "--iidfile", directory / "image-id", container, name)
        buildah.export(name, directory / "image.tar")

    short = name.rpartition("/")[2].replace(":", "-")
    target = cache_directory() / "images" / f"{short}-{key}"
    return ImageArchive(name, build_once(target, build, f"build {name}", report))
