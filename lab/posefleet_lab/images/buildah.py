"""What the lab asks of buildah. Its store belongs to root and is shared by all that runs here."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import BuildError

_ERROR_LINES = 20


def run(*arguments: str | Path, command: str = "buildah") -> str:
    """Run buildah and return what it prints. Raises BuildError with the end of its errors."""
    argv = [command, *map(str, arguments)]
    # chroot isolation needs no more than root: no user namespace, no cgroup of its own.
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        end = "\n".join((result.stderr.strip() or result.stdout.strip()).splitlines()[-_ERROR_LINES:])
        raise BuildError(f"{' '.join(argv[:2])} failed; its last lines:\n{end}")
    return result.stdout.strip()


@contextmanager
def from_scratch() -> Iterator[str]:
    """Give an empty working container, which is removed at the end."""
    container = run("from", "scratch")
    try:
        yield container
    finally:
        run("rm", container)


def image_id(name: str) -> str | None:
    """Return the id of the image ``name`` in buildah's store, None if it is not there."""
    try:
        found = run("inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
    except BuildError:
        return None
    return f"sha256:{found.removeprefix('sha256:')}"


def export(name: str, archive: Path) -> None:
    """Write the image ``name`` of buildah's store as an OCI archive. Raises BuildError if there is none."""
    if image_id(name) is None:
        raise BuildError(f"buildah has no image {name}; `buildah images` lists those that it has")
    run("push", "--quiet", name, f"oci-archive:{archive}:{name}")
