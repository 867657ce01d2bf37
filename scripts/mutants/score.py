"""The score, and the list of equivalent mutants, which do not count."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.mutations import Mutant
from mutants.results import KILLED


class StaleEquivalents(Exception):
    """The list of equivalent mutants names one that does not exist or that a test kills."""


@dataclass(frozen=True)
class Score:
    """How many of the mutants that could be killed were."""

    killed: int
    survived: int
    equivalent: int

    @property
    def percent(self) -> float:
        """Percentage killed; 100 if there is nothing to kill."""
        considered = self.killed + self.survived
        return 100.0 * self.killed / considered if considered else 100.0

    def __add__(self, other: "Score") -> "Score":
        return Score(self.killed + other.killed, self.survived + other.survived, self.equivalent + other.equivalent)

    def __str__(self) -> str:
        return f"{self.percent:5.1f} %  killed {self.killed}, survived {self.survived}, equivalent {self.equivalent}"


def read_equivalents(file: Path) -> dict[str, str]:
    """The keys of the mutants listed in ``file`` as equivalent, with the reason of each.

    Raises:
        StaleEquivalents: if an entry has no reason or is listed twice.
    """
    reasons: dict[str, str] = {}
    for entry in tomllib.loads(file.read_text()).get("equivalent", []):
        parts = (entry["file"], entry["scope"], entry["before"].strip(), entry["after"].strip())
        key = "\n".join((*parts, str(entry.get("number", 1))))
        if not entry["why"].strip() or key in reasons:
            raise StaleEquivalents(f"{file.name} lists this mutant twice or without a reason:\n{key}")
        reasons[key] = entry["why"]
    return reasons


def check_equivalents(
    equivalents: Iterable[str],
    mutants: Sequence[Mutant],
    outcomes: Mapping[str, str],
    files: Iterable[str],
    all_files: Iterable[str] | None = None,
) -> None:
    """Compare the list with what was measured.

    Args:
        equivalents: the keys of the listed mutants.
        mutants: those of the measured ``files``.
        outcomes: of the measured mutants.
        files: the measured files; entries for others are not compared.
        all_files: the files of all groups, if known.

    Raises:
        StaleEquivalents: if a listed mutant does not exist (any more), or was killed.
    """
    existing = {mutant.key for mutant in mutants}
    measured = set(files)
    known = None if all_files is None else set(all_files)
    for key in equivalents:
        file = key.split("\n")[0]
        if known is not None and file not in known:
            raise StaleEquivalents(f"this file is in no group; correct the list of equivalent mutants:\n{key}")
        if file not in measured:
            continue
        if key not in existing:
            raise StaleEquivalents(f"no such mutant; remove it from the list of equivalent mutants:\n{key}")
        if outcomes.get(key) in KILLED:
            raise StaleEquivalents(f"a test kills this mutant; remove it from the list of equivalent mutants:\n{key}")


def score(mutants: Iterable[Mutant], outcomes: Mapping[str, str], equivalents: Iterable[str]) -> Score:
    """Count ``mutants``; one without an outcome counts as survived."""
    listed = set(equivalents)
    total = Score(0, 0, 0)
    for mutant in mutants:
        if mutant.key in listed:
            total += Score(0, 0, 1)
        elif outcomes.get(mutant.key) in KILLED:
            total += Score(1, 0, 0)
        else:
            total += Score(0, 1, 0)
    return total
