"""Container images: a table from an image's name to the virtual environment that stands for it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A virtual environment in the place of an image.

    ``user`` is the image's USER, as which containers run unless their securityContext says
    otherwise. ``entrypoint`` runs where a container has no command.
    """

    environment: Path
    entrypoint: tuple[str, ...] = ()
    user: int = 65532
    variables: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """Return the image's ENV: the virtual environment's programs first on the PATH."""
        return {
            "PATH": f"{self.environment}/bin:{_SYSTEM_PATH}",
            "VIRTUAL_ENV": str(self.environment),
            **self.variables,
        }

    def kept_paths(self) -> list[str]:
        """Return what must stay visible below any volume: the environment, its Python, editable sources."""
        base = [str(self.environment), *_base_python(self.environment), *_editable_sources(self.environment)]
        return list(dict.fromkeys(base))

    def to_data(self) -> dict[str, Any]:
        """Return the image as JSON data."""
        return {**asdict(self), "environment": str(self.environment), "variables": dict(self.variables)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Image":
        """Read what ``to_data`` returned."""
        return cls(Path(data["environment"]), tuple(data["entrypoint"]), int(data["user"]), dict(data["variables"]))


def image_id(image: Image) -> str:
    """Return a stand-in for the image's digest reference in a container's status."""
    return f"lab.local/{image.environment.name}@sha256:{'0' * 64}"


def _base_python(environment: Path) -> Iterable[str]:
    configuration = environment / "pyvenv.cfg"
    if not configuration.exists():
        return
    for line in configuration.read_text().splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "home":
            yield str(Path(value.strip()).parent)


def _editable_sources(environment: Path) -> Iterable[str]:
    for file in environment.glob("lib/python3*/site-packages/*.pth"):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("/") and Path(line).is_dir():
                yield line
