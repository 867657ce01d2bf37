"""Measures groups of source files: makes their mutants, runs the tests that execute each, keeps the outcomes."""

import hashlib
import importlib
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.baseline import Baseline, UnitTestsFailed, measure
from mutants.mutations import Mutant, mutants_of
from mutants.results import KILLED, UNTESTED, Results
from mutants.runs import Run, outcomes

#: A mutant may take this many times as long as its tests take without it, and this many seconds more.
_PATIENCE = 5.0
_GRACE_SECONDS = 15.0
_CONTROL_SECONDS = 600.0
_SAVE_EVERY = 25


class OutOfTime(Exception):
    """The time given is used up."""


@dataclass(frozen=True)
class Group:
    """Source files and the tests that have to notice when one of them changes.

    Attributes:
        name: what it is called on the command line.
        sources: the files, relative to the repository.
        tests: files and folders of tests.
        without: files of tests in these folders that are too slow to run against every mutant.
        imported: packages of this repository that import none of the sources; they are imported once for all mutants.
    """

    name: str
    sources: Sequence[str]
    tests: Sequence[str]
    without: Sequence[str] = ()
    imported: Sequence[str] = ()


def read_groups(root: Path) -> tuple[dict[str, Group], float]:
    """The table ``tool.mutants`` of pyproject.toml: the groups by name, and the percentage that must be killed.

    Raises:
        FileNotFoundError: if a pattern matches no file, or a test does not exist.
    """
    table = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["mutants"]
    groups = {}
    for name, row in table["groups"].items():
        sources = []
        for pattern in row["sources"]:
            if not (found := sorted(str(file.relative_to(root)) for file in root.glob(pattern))):
                raise FileNotFoundError(f"tool.mutants.groups.{name}: no source file matches {pattern}")
            sources += found
        without = row.get("without", [])
        if missing := [test for test in (*row["tests"], *without) if not (root / test).exists()]:
            raise FileNotFoundError(f"tool.mutants.groups.{name}: there is no {missing[0]}")
        groups[name] = Group(name, sources, row["tests"], without, row.get("imported", []))
    return groups, float(table["minimum-percent"])


class Measurement:
    """Measures groups.

    Args:
        root: the repository.
        jobs: how many mutants are tested at a time.
        deadline: of ``time.monotonic``; after it ``run`` raises.
        again: measure only what survived before, whatever else has changed since.
    """

    def __init__(self, root: Path, jobs: int, deadline: float, again: bool) -> None:
        self._root = root
        self._jobs = jobs
        self._deadline = deadline
        self._again = again

    def run(self, group: Group) -> tuple[list[Mutant], dict[str, str]]:
        """The mutants of ``group`` and the outcome of each by its key.

        Raises:
            OutOfTime: if the deadline passes; what was measured is kept.
            UnitTestsFailed: if the tests do not pass without a mutant.
        """
        mutants = [mutant for file in group.sources for mutant in mutants_of(self._root, file)]
        file = self._root / "build" / "mutants" / f"{group.name}.json"
        if self._again:
            results = Results.of_any_state(file)
            results.outcomes = {key: outcome for key, outcome in results.outcomes.items() if outcome in KILLED}
        else:
            results = Results.of_state(file, _digest(self._root))
        wanted = [mutant for mutant in mutants if mutant.key not in results.outcomes]
        if wanted:
            self._measure(group, wanted, results)
        return mutants, results.outcomes

    def _measure(self, group: Group, wanted: Sequence[Mutant], results: Results) -> None:
        ignored = [f"--ignore={test}" for test in group.without]
        baseline = measure(self._root, group.sources, [*group.tests, *ignored])
        for package in group.imported:
            importlib.import_module(package)
        self._check_unchanged(group, list(baseline.seconds))
        runs = self._runs(baseline, wanted, results)
        try:
            for count, (key, outcome) in enumerate(outcomes(self._root, runs, self._jobs), start=1):
                results.outcomes[key] = outcome
                if count % _SAVE_EVERY == 0:
                    results.save()
        finally:
            results.save()

    def _check_unchanged(self, group: Group, tests: Sequence[str]) -> None:
        """Tests that fail only when they run as those of a mutant do would seem to kill every mutant."""
        file = self._root / group.sources[0]
        run = Run("no mutant", tests, file, file.read_text(), _CONTROL_SECONDS)
        if list(outcomes(self._root, iter([run]), 1)) != [(run.name, "survived")]:
            raise UnitTestsFailed(f"{group.name}: the tests pass, but not in a process forked for mutants")

    def _runs(self, baseline: Baseline, wanted: Sequence[Mutant], results: Results) -> Iterator[Run]:
        for mutant in wanted:
            if time.monotonic() > self._deadline:
                raise OutOfTime
            tests = baseline.tests_of(mutant.file, mutant.lines, mutant.at_import)
            if not tests:
                results.outcomes[mutant.key] = UNTESTED
                continue
            seconds = _GRACE_SECONDS + _PATIENCE * sum(baseline.seconds[test] for test in tests)
            yield Run(mutant.key, tests, self._root / mutant.file, mutant.source, seconds)


def _digest(root: Path) -> str:
    """Changes with every source file, test and setting of the repository."""
    folders = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith((".", "build"))]
    digest = hashlib.sha256((root / "pyproject.toml").read_bytes())
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()
