"""Runs tests against mutants, each in a process forked from this one.

This process has imported the libraries (torch takes seconds) but none of the code under test. A mutant is not written
to disk: an import hook gives its text to the process that tests it. Processes that a test starts by itself see the
code without the mutation.
"""

import contextlib
import gc
import importlib.abc
import importlib.machinery
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from hypothesis import Phase, settings

_MEMORY_BYTES = 12 * 1024**3
_POLL_SECONDS = 0.005
#: pytest's exit codes, and the one of a process that failed outside of pytest.
_ALL_PASSED, _NO_TESTS, _OWN_FAILURE = 0, 5, 70
#: Most mutants are killed by the first of their tests, so that the files of the others need not be collected.
_FIRST_TESTS = 20
_OPTIONS = ("-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist")


@dataclass(frozen=True)
class Run:
    """Tests to run against one mutant.

    Attributes:
        name: tells the caller which run this is.
        tests: node ids, files or folders.
        file: the mutated source file.
        source: its mutated text.
        limit_seconds: how long the tests may take before they are killed.
    """

    name: str
    tests: Sequence[str]
    file: Path
    source: str
    limit_seconds: float


def outcomes(root: Path, runs: Iterator[Run], jobs: int) -> Iterator[tuple[str, str]]:
    """The name of each run with ``killed``, ``timeout`` or ``survived``, as they end; ``jobs`` run at a time.

    Tests are named relative to ``root``.

    Raises:
        RuntimeError: if pytest finds no tests or the process fails outside of pytest.
    """
    running: dict[int, tuple[Run, float]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        try:
            while True:
                while len(running) < jobs and (run := next(runs, None)) is not None:
                    child = _start(root, run, Path(directory))
                    running[child] = run, time.monotonic() + run.limit_seconds
                if not running:
                    return
                yield _next_outcome(running)
                for left in Path(directory).iterdir():
                    if left.name.isdigit() and int(left.name) not in running:
                        shutil.rmtree(left, ignore_errors=True)
        finally:
            for child in running:
                kill(child)
                os.waitpid(child, 0)


def _start(root: Path, run: Run, directory: Path) -> int:
    def work() -> int:
        # Some mutants ask for memory without end.
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
        tempfile.tempdir = str(directory / str(os.getpid()))
        Path(tempfile.tempdir).mkdir()
        sys.meta_path.insert(0, _MutantFinder(run.file, run.source))
        parts = filter(None, (run.tests[:_FIRST_TESTS], run.tests[_FIRST_TESTS:]))
        codes = (run_pytest(root, ["-x", *tests], Path(tempfile.tempdir or "") / "basetemp") for tests in parts)
        return next((code for code in codes if code != _ALL_PASSED), _ALL_PASSED)

    return fork(work)


def _next_outcome(running: dict[int, tuple[Run, float]]) -> tuple[str, str]:
    """Wait until one of ``running`` ends or has used up its time, and take it out."""
    while True:
        for child, (run, deadline) in list(running.items()):
            late = time.monotonic() > deadline
            if late:
                kill(child)
            ended, status = os.waitpid(child, 0 if late else os.WNOHANG)
            if ended:
                kill(child)  # what the tests left running
                del running[child]
                return run.name, "timeout" if late else _outcome(run, os.waitstatus_to_exitcode(status))
        time.sleep(_POLL_SECONDS)


def _outcome(run: Run, code: int) -> str:
    if code in {_NO_TESTS, _OWN_FAILURE}:
        raise RuntimeError(f"the tests of this mutant could not be run (exit code {code}):\n{run.name}")
    return "survived" if code == _ALL_PASSED else "killed"


def kill(child: int) -> None:
    """End a process that ``fork`` started, and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def fork(work: Callable[[], int], log: Path = Path(os.devnull)) -> int:
    """The id of a process that does ``work``, writes its output to ``log`` and exits with the number returned.

    It leads a process group of its own.
    """
    sys.stdout.flush()
    gc.freeze()
    child = os.fork()
    if child:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)
        return child
    code = _OWN_FAILURE
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
    finally:
        os._exit(code)


def run_pytest(root: Path, arguments: Sequence[str], directory: Path, plugins: Sequence[object] = ()) -> int:
    """Run pytest at ``root`` in this process, with temporary folders under ``directory``; its exit code."""
    # The same examples in every run, none remembered, and no time spent on making a failing example small.
    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile("mutants")
    os.chdir(root)
    options = [*_OPTIONS, f"--rootdir={root}", f"--basetemp={directory}"]
    return int(pytest.main([*options, *arguments], plugins=list(plugins)))


class _MutantFinder(importlib.abc.MetaPathFinder):
    """Finds the module of one file, with other text than the file has."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = file
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin != str(self._file):
            return None
        spec.loader = _MutantLoader(fullname, self._file, self._source)
        return spec


class _MutantLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, file: Path, source: str) -> None:
        super().__init__(fullname, str(file))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)
