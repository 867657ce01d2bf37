"""The tests without a mutant: which of them execute which line, how long they take, which libraries they import."""

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mutants.runs import fork, kill, run_pytest

_TAIL_CHARACTERS = 4000
#: Ends the name of what a fixture of a wider scope executes; before it stands the file whose tests share the fixture.
_SHARED = "::*"


class UnitTestsFailed(Exception):
    """The tests do not pass without a mutant, so nothing can be said about those with one."""


@dataclass
class Baseline:
    """What the tests did without a mutant.

    Attributes:
        seconds: how long each test took, by its node id.
        covering: for each file and each of its lines, the tests that executed the line.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    covering: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def tests_of(self, file: str, lines: tuple[int, int], at_import: bool) -> list[str]:
        """The tests that executed ``lines`` (first and last), the fastest first.

        With ``at_import``, those that executed any line of ``file``.
        """
        by_line = self.covering.get(file, {})
        wanted = by_line if at_import else range(lines[0], lines[1] + 1)
        executing = {test for line in wanted for test in by_line.get(line, ())}
        if at_import and not executing:
            executing = set(self.seconds)
        return sorted((test for test in self.seconds if test in executing), key=self.seconds.__getitem__)


def measure(root: Path, sources: Sequence[str], tests: Sequence[str]) -> Baseline:
    """Run pytest with ``tests`` as arguments in another process, then import here the libraries that it imported.

    Raises:
        UnitTestsFailed: if a test fails, or there is none.
    """
    with tempfile.TemporaryDirectory() as directory:
        answer = Path(directory) / "answer.json"
        log = Path(directory) / "log.txt"
        child = fork(lambda: _measured(root, sources, tests, answer), log)
        try:
            _, status = os.waitpid(child, 0)
        except BaseException:
            kill(child)
            raise
        if status != 0:
            raise UnitTestsFailed(f"the tests do not pass without a mutant:\n{log.read_text()[-_TAIL_CHARACTERS:]}")
        found = json.loads(answer.read_text())
    for library in found["libraries"]:
        # Some libraries name modules in sys.modules that nobody can import.
        with contextlib.suppress(Exception):
            importlib.import_module(library)
    covering = {file: {int(line): names for line, names in by_line.items()} for file, by_line in found["covering"]}
    return Baseline(found["seconds"], covering)


def _measured(root: Path, sources: Sequence[str], tests: Sequence[str], answer: Path) -> int:
    import coverage

    meter = coverage.Coverage(data_file=None, config_file=False, include=[str(root / file) for file in sources])
    recorder = _Recorder(meter)
    meter.start()
    code = run_pytest(root, tests, answer.parent / "basetemp", [recorder])
    meter.stop()
    covering = [(file, recorder.tests_by_line(root / file)) for file in sources]
    found = {"seconds": recorder.seconds, "covering": covering, "libraries": list(_libraries(root))}
    answer.write_text(json.dumps(found))
    return code


def _libraries(root: Path) -> Iterator[str]:
    """The imported modules that are not of this repository."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and (not Path(file).is_relative_to(root) or "site-packages" in file):
            yield name


class _Recorder:
    """A pytest plugin that tells coverage which test runs, and keeps how long it takes."""

    def __init__(self, meter: Any) -> None:
        self.seconds: dict[str, float] = {}
        self._meter = meter
        self._test = ""

    def tests_by_line(self, file: Path) -> dict[int, list[str]]:
        """For each line of ``file`` the tests that executed it."""
        contexts = self._meter.get_data().contexts_by_lineno(str(file))
        return {line: list(self._tests_in(names)) for line, names in contexts.items()}

    def _tests_in(self, contexts: Sequence[str]) -> Iterator[str]:
        shared = tuple(context.removesuffix(_SHARED) for context in contexts if context.endswith(_SHARED))
        for test in self.seconds:
            if test in contexts or test.startswith(shared):
                yield test

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test = item.nodeid
        self.seconds[item.nodeid] = 0.0
        self._meter.switch_context(item.nodeid)
        result = yield
        self._meter.switch_context("")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        if fixturedef.scope != "function":
            file = "" if fixturedef.scope == "session" else self._test.split("::")[0]
            self._meter.switch_context(file + _SHARED)
        result = yield
        self._meter.switch_context(self._test)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
