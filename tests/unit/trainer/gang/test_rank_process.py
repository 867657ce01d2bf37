"""A rank as a process of its own, which is asked to stop at awkward moments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from posefleet_api.constants import ENV_CACHE_DIRECTORY, ENV_TERMINATION_LOG
from posefleet_api.outcomes import ExitCode, TerminationMessage

_RANK = """
import os, signal, sys, time
from pathlib import Path
from posefleet_trainer.gang import rank_process
from posefleet_trainer.errors import InvalidInput

def stop():
    os.kill(os.getpid(), signal.SIGTERM)

def swallowed(context):
    try:
        stop()
        time.sleep(5)
    except Exception:
        pass
    raise ZeroDivisionError

def wrong(context):
    raise InvalidInput("row 3")

def leaving(message, leave=rank_process.write_termination_log):
    stop()
    leave(message)

if sys.argv[2] == "wrong":
    rank_process.write_termination_log = leaving
rank_process.run_process(Path(sys.argv[1]), {"swallowed": swallowed, "wrong": wrong}[sys.argv[2]], prepares_only=True)
"""


@pytest.mark.parametrize(
    ("work", "code", "reason"),
    [("swallowed", ExitCode.PREEMPTED, "Preempted"), ("wrong", ExitCode.INVALID_INPUT, "InvalidInput")],
)
def test_a_request_to_stop_is_neither_swallowed_nor_in_the_way_of_the_end(
    work: str, code: ExitCode, reason: str, tmp_path: Path
):
    job = {
        "apiVersion": "posefleet.io/v1alpha1",
        "kind": "PoseTrainingJob",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {"dataset": {"uri": f"file://{tmp_path}/in/"}, "output": {"uri": f"file://{tmp_path}/out/"}},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    environment = {
        "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
        ENV_TERMINATION_LOG: str(tmp_path / "log"), ENV_CACHE_DIRECTORY: str(tmp_path / "cache"),
    }  # fmt: skip
    command = [sys.executable, "-c", _RANK, str(tmp_path / "job.json"), work]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == code, ended.stderr
    assert TerminationMessage.read((tmp_path / "log").read_bytes()).reason == reason
