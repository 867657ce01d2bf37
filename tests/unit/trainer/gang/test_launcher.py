"""The launcher with real child processes: a stand-in module plays the rank."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from posefleet_api.outcomes import ExitCode, TerminationMessage
from posefleet_trainer.gang.launcher import rank_environments

_RANK = """
import json, os, signal, sys, time
plan = json.loads(os.environ["PLAN"])[int(os.environ["RANK"])]
def leave(code):
    message = {"reason": plan["reason"], "message": "rank " + os.environ["RANK"]}
    open(os.environ["POSEFLEET_TERMINATION_LOG"], "w").write(json.dumps(message))
    sys.exit(code)
if "on_sigterm" in plan:
    signal.signal(signal.SIGTERM, lambda *_: leave(plan["on_sigterm"]))
    os.write(1, b"ready\\n")  # one write, so that the lines of two ranks do not mix
    signal.pause()
if "signal" in plan:
    os.kill(os.getpid(), plan["signal"])
leave(plan["code"])
"""


def start(tmp_path: Path, plan: list[dict[str, object]], nodes: int = 1) -> "subprocess.Popen[str]":
    package = tmp_path / "standin" / "posefleet_trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(textwrap.dedent(_RANK))
    driver = tmp_path / "driver.py"
    # The children find the stand-in first; the launcher itself is the real one.
    driver.write_text(
        "import os, sys\nfrom pathlib import Path\n"
        "from posefleet_trainer.gang.launcher import launch\n"
        f"sys.exit(launch([], Path('job.json'), {{**os.environ, 'PYTHONPATH': {str(package.parent)!r}}}))\n"
    )
    environment = {
        **os.environ,
        "PLAN": json.dumps(plan),
        "POSEFLEET_NODES": str(nodes),
        "POSEFLEET_PROCESSES_PER_NODE": str(len(plan)),
        "POSEFLEET_TERMINATION_LOG": str(tmp_path / "termination-log"),
    }
    return subprocess.Popen([sys.executable, str(driver)], env=environment, stdout=subprocess.PIPE, text=True)


def verdict(tmp_path: Path) -> TerminationMessage:
    return TerminationMessage.model_validate_json((tmp_path / "termination-log").read_bytes())


def test_all_ranks_well_is_success(tmp_path):
    process = start(tmp_path, [{"code": 0, "reason": "Completed"}] * 2)
    assert process.wait(20) == ExitCode.SUCCEEDED
    assert verdict(tmp_path).reason == "Completed"


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([76, 78], 78), ([76, 75], 75), ([1, 76], 1), ([0, 1], 1), ([69, 1], 69), ([76, 0], 76)],
)
def test_the_most_telling_end_is_told(tmp_path, codes, expected):
    reasons = {78: "InvalidInput", 75: "Preempted", 76: "PeerLost", 69: "StoreUnreachable", 1: "Error", 0: "Completed"}
    process = start(tmp_path, [{"code": code, "reason": reasons[code]} for code in codes])
    assert process.wait(20) == expected
    assert verdict(tmp_path).reason == reasons[expected]


def test_a_rank_that_is_killed_is_told_as_killed(tmp_path):
    process = start(tmp_path, [{"signal": 9, "reason": "x"}, {"code": 76, "reason": "PeerLost"}])
    assert process.wait(20) == 137
    assert "rank 0 was killed" in verdict(tmp_path).message


def test_sigterm_reaches_every_rank(tmp_path):
    process = start(tmp_path, [{"on_sigterm": 75, "reason": "Preempted"}] * 2)
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()] == ["ready\n", "ready\n"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == ExitCode.PREEMPTED


def test_a_rank_that_is_stopped_before_it_listens_counts_as_preempted(tmp_path):
    process = start(tmp_path, [{"signal": signal.SIGTERM, "reason": "x"}, {"code": 76, "reason": "PeerLost"}])
    assert process.wait(20) == ExitCode.PREEMPTED
    assert verdict(tmp_path).reason == "Preempted"


def test_ranks_count_over_nodes():
    environment = {"POSEFLEET_NODES": "3", "POSEFLEET_PROCESSES_PER_NODE": "2", "JOB_COMPLETION_INDEX": "1"}
    ranked = rank_environments(environment)
    assert [(e["RANK"], e["LOCAL_RANK"], e["WORLD_SIZE"]) for e in ranked] == [("2", "0", "6"), ("3", "1", "6")]
    assert ranked[0]["MASTER_PORT"] == ranked[1]["MASTER_PORT"]
