"""The Dockerfile as a value."""

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Stage:
    """One stage: the stage or image it starts from, and its instructions in order."""

    name: str
    parent: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, keyword: str) -> list[str]:
        """The arguments of each ``keyword`` instruction."""
        return [argument for found, argument in self.instructions if found == keyword]

    def environment(self) -> dict[str, str]:
        """What the stage's ENV instructions set."""
        words = [word for line in self.all("ENV") for word in shlex.split(line)]
        return dict(word.split("=", 1) for word in words)

    def copied(self) -> list[str]:
        """The sources that the stage copies from the build context."""
        lines = [line.split() for line in self.all("COPY") if not line.startswith("--from=")]
        return [source for words in lines for source in words[:-1]]


@dataclass(frozen=True)
class Dockerfile:
    """All stages by name."""

    text: str

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages in order."""
        found: dict[str, Stage] = {}
        for block in re.split(r"(?m)^(?=FROM )", _joined(self.text))[1:]:
            lines = [tuple(line.split(maxsplit=1)) for line in block.splitlines() if line.strip()]
            parent, _, name = lines[0][1].split()
            found[name] = Stage(name, parent, tuple((keyword, argument.strip()) for keyword, argument in lines[1:]))
        return found

    def lineage(self, name: str) -> list[Stage]:
        """The stage ``name`` and those it stands on, the nearest first."""
        stages = [self.stages[name]]
        while stages[-1].parent in self.stages:
            stages.append(self.stages[stages[-1].parent])
        return stages


def _joined(text: str) -> str:
    without_comments = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.sub(r"\\\n\s*", " ", without_comments)


def read_dockerfile() -> Dockerfile:
    """The repository's Dockerfile."""
    return Dockerfile((ROOT / "Dockerfile").read_text())
