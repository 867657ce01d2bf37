"""The launcher with real child processes: a stand-in module plays the rank."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
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


_HANGS = """
import os
if "RANK" in os.environ:
    from posefleet_trainer.gang import rank_process
    from posefleet_trainer.gang.preemption import stop_at_once
    def hang_for_ever(*arguments, **options):
        import itertools
        stop_at_once()
        os.write(1, b"ready\\n")
        sum(itertools.repeat(0))  # in C, with the interpreter's lock, and without a look at signals
    rank_process.run_process = hang_for_ever
"""

_LAUNCHES = """
import os, sys
from pathlib import Path
from posefleet_trainer.gang import launcher
launcher.STACKS_AFTER_SECONDS = 0.5
sys.exit(launcher.launch([sys.argv[1]], Path(sys.argv[1]), {**os.environ, "PYTHONPATH": sys.argv[2]}))
"""


def test_a_rank_that_hangs_after_sigterm_leaves_its_stacks_in_the_stored_log_before_it_is_killed(tmp_path):
    (tmp_path / "hangs").mkdir()
    (tmp_path / "hangs" / "sitecustomize.py").write_text(_HANGS)
    (tmp_path / "driver.py").write_text(_LAUNCHES)
    spec = {"dataset": {"uri": f"file://{tmp_path}/project"}, "output": {"uri": f"file://{tmp_path}/output"}}
    kinds = {"apiVersion": "posefleet.io/v1alpha1", "kind": "PoseTrainingJob", "metadata": {"name": "job"}}
    (tmp_path / "job.json").write_text(json.dumps({**kinds, "spec": spec}))
    number = {"POSEFLEET_NUMBER": "1", "JOB_COMPLETION_INDEX": "0", "POSEFLEET_PROCESSES_PER_NODE": "2"}
    log = tmp_path / "output/attempts/1/node-0.log"
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "job.json"), str(tmp_path / "hangs")],
        env={**os.environ, **number, "POSEFLEET_TERMINATION_LOG": str(tmp_path / "termination-log")},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        for _ in range(2):
            assert b"ready" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        # Regular uploads come every 30 seconds.
        deadline = time.monotonic() + 20
        while not log.exists() or log.read_text().count("in hang_for_ever") < 2:
            assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
            time.sleep(0.05)
        assert process.poll() is None
        lines = log.read_text().splitlines()
        for rank in (0, 1):
            assert any(line.startswith(f"[rank {rank}]") and "in hang_for_ever" in line for line in lines)
    finally:
        process.kill()
        process.wait(10)
