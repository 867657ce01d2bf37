"""Two ranks, each in a process of its own: one works alone for long, or dies of it, while the other waits."""

import subprocess
import sys
import time

from unit.trainer.test_roll_call import a_port

from posefleet_api.outcomes import ExitCode

#: Processes may take long to start and to meet; what the group was joined with is short all the same.
RANK = """
import os, sys, time
from datetime import timedelta
from posefleet_trainer import distributed, roll_call
from posefleet_trainer.errors import PeerLost
from posefleet_trainer.telemetry.progress import ProgressTracker
meet = roll_call.roll_call
roll_call.roll_call = lambda rank, world, timeout: meet(rank, world, timedelta(seconds=60))
distributed.JOIN_TIMEOUT = timedelta(seconds=3)
def work():
    print("works", flush=True)
    time.sleep(float(sys.argv[1]))
try:
    with distributed.process_group(2, ProgressTracker(attempt=1)):
        distributed.first_alone(int(os.environ["RANK"]), 2, work)
except PeerLost as error:
    print(error, flush=True)
    os._exit(error.exit_code)
os._exit(0)
"""


def start(rank: int, port: int, work_seconds: float) -> "subprocess.Popen[str]":
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", RANK, str(work_seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_first_rank_may_work_alone_for_longer_than_joining_may_take():
    port = a_port()
    ranks = [start(rank, port, work_seconds=4) for rank in range(2)]
    told = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], told


def test_the_death_of_the_rank_that_works_alone_is_noticed_at_once():
    port = a_port()
    first, other = (start(rank, port, work_seconds=600) for rank in range(2))
    assert first.stdout is not None
    assert first.stdout.readline() == "works\n"
    first.kill()
    killed = time.monotonic()
    told = other.communicate(timeout=60)[0]
    first.communicate()
    assert other.returncode == ExitCode.PEER_LOST, told
    assert "another rank went away" in told
    assert time.monotonic() - killed < 10
