"""A base image with Debian and its Python, by debootstrap from the mirror that this machine uses."""

import re
import shutil
from pathlib import Path

from ..tools.build_once import Report, digest, quiet
from . import buildah
from .archive import ImageArchive, image_archive

BASE_IMAGE = "localhost/debian-python:3.11"
_SUITE = "bookworm"  # the release whose python3 is 3.11
_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_REMOVED = ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man")


def base_image(report: Report = quiet, sources: Path = Path("/etc/apt")) -> ImageArchive:
    """Return the archive of ``localhost/debian-python:3.11``.

    Takes about a minute and 130 MB the first time. ``sources`` is where apt keeps its list of mirrors.
    """
    mirror = debian_mirror(sources)

    def fill(container: str, work: Path) -> None:
        options = ["--variant=minbase", f"--include={','.join(_PACKAGES)}"]
        buildah.run(*options, _SUITE, work, *([mirror] if mirror else []), command="debootstrap")
        for name in _REMOVED:
            shutil.rmtree(work / name)
            (work / name).mkdir()
        buildah.run("add", "--quiet", container, work, "/")
        buildah.run("config", "--cmd", "python3", "--env", "LANG=C.UTF-8", container)

    key = digest(_SUITE.encode(), *(text.encode() for text in (*_PACKAGES, *_REMOVED)))
    return image_archive(BASE_IMAGE, key, fill, report)


def debian_mirror(sources: Path) -> str | None:
    """Return the mirror of the release in apt's lists, None (debootstrap knows one) if they name none."""
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
