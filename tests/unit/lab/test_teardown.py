"""The record of a running cluster."""

import os

from posefleet_lab.processes import ProcessIdentity
from posefleet_lab.teardown import ClusterState


def test_the_state_file_is_private_and_finds_the_processes(tmp_path):
    ProcessIdentity.of(os.getpid()).write(tmp_path / "me.pid")
    files = {"me": str(tmp_path / "me.pid"), "never": str(tmp_path / "never.pid")}
    ClusterState("lab", "/k", files, {"AWS_ENDPOINT_URL": "http://x"}).write(tmp_path)
    state = ClusterState.read(tmp_path)
    assert state.running() == {"me": True, "never": False}
    assert (tmp_path / "cluster.json").stat().st_mode & 0o077 == 0
