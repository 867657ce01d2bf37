"""The commands of ``posefleet-lab``, and what remains when the process that started a cluster is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab_pods import eventually

from posefleet_lab.teardown import ClusterState

pytestmark = pytest.mark.cluster

LAB = (sys.executable, "-m", "posefleet_lab.main")
STARTER = """
import sys, time
from pathlib import Path
from posefleet_lab.cluster import Cluster
with Cluster(Path(sys.argv[1]), store=None):
    print("up", flush=True)
    time.sleep(600)
"""


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([*LAB, *arguments], capture_output=True, text=True, check=False, timeout=120, env=environment)


def test_up_status_env_and_down(tmp_path):
    where = ("--name", "typed", "--directory", str(tmp_path / "typed"))
    try:
        up = lab("up", *where, "--gpus", "2", "--store", "none", "--image", f"trainer:lab={sys.prefix}")
        assert up.returncode == 0, up.stderr
        assert "control plane: " in up.stdout
        again = lab("up", *where, "--store", "none")
        assert again.returncode == 1
        assert "is already up" in again.stderr
        status = lab("status", *where)
        assert (status.returncode, status.stdout.count("running")) == (0, 5)
        exported = lab("env", *where).stdout
        kubectl = f"{exported}\nkubectl get nodes -o jsonpath='{{.items[0].status.allocatable.nvidia\\.com/gpu}}'"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        seen = subprocess.run(
            ["sh", "-c", kubectl], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
        )
        assert seen.stdout == "2"
        processes = ClusterState.read(tmp_path / "typed").processes()
    finally:
        down = lab("down", *where)
    assert (down.returncode, down.stdout) == (0, "cluster typed is down\n")
    assert not any(identity.alive() for identity in processes.values())


def test_a_cluster_ends_with_its_starter_even_when_that_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert starter.stdout.readline() == "up\n"
    processes = ClusterState.read(tmp_path).processes()
    assert len(processes) == 5
    starter.kill()
    starter.wait()
    starter.stdout.close()
    gone = lambda: not any(identity.alive() for identity in processes.values())  # noqa: E731
    eventually(gone, "every program has ended")
