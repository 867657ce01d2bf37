"""Ranks, each in a process of its own, that wait for each other: to join, and while one of them works."""

import socket
import subprocess
import sys
import time

from posefleet_api.outcomes import ExitCode

#: Processes may take long to start and to meet; what the group was joined with is short all the same.
RANK = """
import os, sys, time
from datetime import timedelta
from posefleet_trainer.gang import process_group
from posefleet_trainer.errors import PeerLost
from posefleet_trainer.telemetry.progress import ProgressTracker
meet = process_group.roll_call
process_group.roll_call = lambda rank, world, timeout: meet(rank, world, timedelta(seconds=60))
process_group.JOIN_TIMEOUT = timedelta(seconds=3)
def work():
    print("works", flush=True)
    time.sleep(float(sys.argv[1]))
try:
    with process_group.process_group(2, ProgressTracker(attempt=1)):
        process_group.run_on_first_rank(int(os.environ["RANK"]), 2, work)
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
    outputs = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], outputs


def test_the_death_of_the_rank_that_works_alone_is_noticed_at_once():
    port = a_port()
    first, other = (start(rank, port, work_seconds=600) for rank in range(2))
    assert first.stdout is not None
    assert first.stdout.readline() == "works\n"
    first.kill()
    killed = time.monotonic()
    outputs = other.communicate(timeout=60)[0]
    first.communicate()
    assert other.returncode == ExitCode.PEER_LOST, outputs
    assert "another rank went away" in outputs
    assert time.monotonic() - killed < 10


CALL = """
import sys
from datetime import timedelta
from posefleet_trainer.errors import PeerLost
from posefleet_trainer.gang.process_group import roll_call
try:
    roll_call(int(sys.argv[1]), int(sys.argv[2]), timedelta(seconds=2))
except PeerLost as error:
    print(error)
"""


def call(rank: int, world: int, port: int, local_world: int = 1) -> "subprocess.Popen[str]":
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": str(local_world)}
    command = [sys.executable, "-c", CALL, str(rank), str(world)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def said(process: "subprocess.Popen[str]") -> str:
    return process.communicate(timeout=120)[0]


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_ranks_that_do_not_come_are_named():
    outputs = said(call(0, 4, a_port(), local_world=2))
    assert "rank 1 (node 0), rank 2 (node 1), rank 3 (node 1) did not join within 2 s" in outputs
    assert socket.gethostname() in outputs


def test_a_first_rank_that_does_not_answer_is_named():
    port = a_port()
    assert f"rank 0 does not answer at 127.0.0.1:{port} (waited 2 s)" in said(call(1, 2, port))
