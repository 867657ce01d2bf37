"""``make demo`` that is interrupted leaves nothing behind."""

import os
import signal
import subprocess
import sys
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_demo_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals):
    log = tmp_path / "demo.log"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "posefleet_demo"],
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(scratch)},
            start_new_session=True,
        )
    try:
        wait_for("the operator to be installed", lambda: "install the CRD" in log.read_text(), 90)
        assert processes_naming(str(scratch))
        os.killpg(demo.pid, number)
        assert demo.wait(60) == INTERRUPTED, log.read_text()
    finally:
        demo.kill()
    assert processes_naming(str(scratch)) == []
    assert list(scratch.iterdir()) == []
    assert "nothing is left running" in log.read_text()
