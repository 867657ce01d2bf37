"""Container images, built on this computer without a registry by debootstrap and buildah."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import BuildError
from .paths import cache_directory
from .tools import golang
from .tools.build_once import Report, build_once, digest, quiet

_ERROR_LINES = 20

BASE_IMAGE = "localhost/debian-python:3.11"
_SUITE = "bookworm"  # the Debian release whose python3 is 3.11
_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_REMOVED = ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man")

PAUSE_IMAGE = "localhost/pause:1"


def run_buildah(*arguments: str | Path, command: str = "buildah") -> str:
    """Run buildah and return its standard output. Raises BuildError with the last lines of its errors."""
    argv = [command, *map(str, arguments)]
    # Isolation by chroot needs only root, no user namespace and no cgroup.
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        end = "\n".join((result.stderr.strip() or result.stdout.strip()).splitlines()[-_ERROR_LINES:])
        raise BuildError(f"{' '.join(argv[:2])} failed; its last lines:\n{end}")
    return result.stdout.strip()


@contextmanager
def working_container() -> Iterator[str]:
    """Yield the name of an empty buildah container, which is removed afterwards."""
    container = run_buildah("from", "scratch")
    try:
        yield container
    finally:
        run_buildah("rm", container)


def image_id(name: str) -> str | None:
    """Return the id of the image ``name`` in buildah's store, or None if there is none."""
    try:
        found = run_buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
    except BuildError:
        return None
    return f"sha256:{found.removeprefix('sha256:')}"


def export_image(name: str, archive: Path) -> None:
    """Write the image ``name`` of buildah's store as an OCI archive. Raises BuildError if there is none."""
    if image_id(name) is None:
        raise BuildError(f"buildah has no image {name}; `buildah images` lists those that it has")
    run_buildah("push", "--quiet", name, f"oci-archive:{archive}:{name}")


@dataclass(frozen=True)
class ImageArchive:
    """An OCI archive of the image ``name`` in the cache directory, with the id of the image."""

    name: str
    directory: Path

    @property
    def file(self) -> Path:
        """Return the path of the archive."""
        return self.directory / "image.tar"

    @property
    def image_id(self) -> str:
        """Return the id that the image has in every store."""
        return (self.directory / "image-id").read_text().strip()

    def into_buildah(self) -> str:
        """Import the image into buildah's store unless the store has it already, and return its name."""
        if image_id(self.name) != self.image_id:
            pulled = run_buildah("pull", "--quiet", f"oci-archive:{self.file}")
            run_buildah("tag", pulled, self.name)
        return self.name


def image_archive(name: str, key: str, fill: Callable[[str, Path], None], report: Report) -> ImageArchive:
    """Return the archive of ``name``, which is built if the cache has none for ``key``.

    ``key`` is a hash of the inputs of the build. ``fill`` is called with an empty buildah container, to which it adds
    content and configuration, and an empty directory for its temporary files.
    """

    def build(directory: Path) -> None:
        with working_container() as container, TemporaryDirectory(dir=directory) as work:
            fill(container, Path(work))
            run_buildah("commit", "--quiet", "--iidfile", directory / "image-id", container, name)
        export_image(name, directory / "image.tar")

    short = name.rpartition("/")[2].replace(":", "-")
    target = cache_directory() / "images" / f"{short}-{key}"
    return ImageArchive(name, build_once(target, build, f"build {name}", report))


def base_image(report: Report = quiet, sources: Path = Path("/etc/apt")) -> ImageArchive:
    """Return the archive of ``localhost/debian-python:3.11``, Debian with its own Python.

    The first call takes about a minute and 130 MB. ``sources`` is the directory with apt's lists of mirrors.
    """
    mirror = debian_mirror(sources)

    def fill(container: str, work: Path) -> None:
        options = ["--variant=minbase", f"--include={','.join(_PACKAGES)}"]
        run_buildah(*options, _SUITE, work, *([mirror] if mirror else []), command="debootstrap")
        for name in _REMOVED:
            shutil.rmtree(work / name)
            (work / name).mkdir()
        run_buildah("add", "--quiet", container, work, "/")
        run_buildah("config", "--cmd", "python3", "--env", "LANG=C.UTF-8", container)

    key = digest(_SUITE.encode(), *(text.encode() for text in (*_PACKAGES, *_REMOVED)))
    return image_archive(BASE_IMAGE, key, fill, report)


def debian_mirror(sources: Path) -> str | None:
    """Return the mirror that apt's lists name for the release, or None to let debootstrap choose its default."""
    deb822 = sorted((sources / "sources.list.d").glob("*.sources"))
    for stanza in "\n\n".join(file.read_text() for file in deb822).split("\n\n"):
        fields = {key.lower(): value for key, value in re.findall(r"^(\w+): *(.+)$", stanza, re.MULTILINE)}
        if _SUITE in fields.get("suites", "").split() and "uris" in fields:
            return str(fields["uris"].split()[0])
    lists = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*.list"))]
    for text in (file.read_text() for file in lists if file.exists()):
        if found := re.findall(rf"^deb (?:\[.*?\] )?(\S+) {_SUITE} ", text, re.MULTILINE):
            return str(found[0])
    return None


def pause_image(report: Report = quiet) -> ImageArchive:
    """Return the archive of ``localhost/pause:1``, which holds the program that is the first process of every pod."""
    program = golang.build("pause", ".", report)

    def fill(container: str, _work: Path) -> None:
        run_buildah("copy", "--quiet", "--chmod", "0755", container, program, "/pause")
        run_buildah("config", "--entrypoint", '["/pause"]', "--user", "65535:65535", container)

    return image_archive(PAUSE_IMAGE, digest(program.parent.name.encode()), fill, report)
