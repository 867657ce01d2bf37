"""Ranks that wait for each other, each in a process of its own."""

import socket
import subprocess
import sys

CALL = """
import sys
from datetime import timedelta
from posefleet_trainer.errors import PeerLost
from posefleet_trainer.roll_call import roll_call
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
    told = said(call(0, 4, a_port(), local_world=2))
    assert "rank 1 (node 0), rank 2 (node 1), rank 3 (node 1) did not come within 2 s" in told
    assert socket.gethostname() in told


def test_a_first_rank_that_does_not_answer_is_named():
    port = a_port()
    assert f"rank 0 does not answer at 127.0.0.1:{port} (waited 2 s)" in said(call(1, 2, port))
