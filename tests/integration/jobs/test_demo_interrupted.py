"""``make demo`` that is interrupted leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.waiting import wait_for

pytestmark = pytest.mark.cluster

INTERRUPTED = 130


def processes_naming(text: str) -> list[str]:
    """The command lines with ``text`` in them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def operator_runs(scratch: Path) -> bool:
    return any("posefleet_operator" in line for line in processes_naming(str(scratch)))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "demo.log"


@pytest.fixture
def demo(scratch: Path, log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A demo whose operator runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "posefleet_demo"],
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(scratch)},
            start_new_session=True,
        )
    try:
        wait_for("the operator", lambda: operator_runs(scratch), 120, explain=log.read_text)
        yield process
    finally:
        process.kill()


def test_an_interrupted_demo_leaves_no_process_and_no_file(demo, scratch: Path, log: Path):
    os.killpg(demo.pid, signal.SIGHUP)
    wait_for("the operator's end", lambda: not operator_runs(scratch), 30)
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(60) == INTERRUPTED, log.read_text()
    assert processes_naming(str(scratch)) == []
    assert list(scratch.iterdir()) == []
    assert "nothing is left running" in log.read_text()


def test_a_demo_that_is_killed_leaves_no_process_and_no_file(demo, scratch: Path):
    demo.kill()
    wait_for("the processes' end", lambda: not processes_naming(str(scratch)), 60)
    assert list(scratch.iterdir()) == []
