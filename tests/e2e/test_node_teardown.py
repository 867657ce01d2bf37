"""A container node leaves nothing on the machine, however its cluster ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from posefleet_lab.cluster import Cluster
from posefleet_lab.container_node import footprint
from posefleet_lab.teardown import ClusterState
from support.waiting import wait_for

STARTER = """
import signal, sys, time
from pathlib import Path
from posefleet_lab.cluster import Cluster
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
with Cluster(Path(sys.argv[1]), node="container", store=None) as cluster:
    container = {"name": "main", "image": "localhost/pause:1"}
    pod = {"metadata": {"name": "pod"}, "spec": {"containers": [container]}}
    plane = cluster.control_plane
    while plane.get("/api/v1/namespaces/default/serviceaccounts/default") is None:
        time.sleep(0.1)
    plane.post("/api/v1/namespaces/default/pods", pod)
    while plane.get("/api/v1/namespaces/default/pods/pod")["status"]["phase"] != "Running":
        time.sleep(0.1)
    print("up", flush=True)
    time.sleep(600)
"""
SETTINGS = ("net/ipv4/ip_forward", "kernel/panic", "vm/overcommit_memory")


@pytest.fixture(scope="module", autouse=True)
def clean_machine() -> None:
    """Remove what an interrupted run has left, so that it does not count as a trace of these tests."""
    if (left := footprint.current()) is not None and not left.runs():
        footprint.remove_footprint(Path(left.cluster_directory))


@contextmanager
def starter(directory: Path) -> "Iterator[subprocess.Popen[str]]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", STARTER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as started:
        try:
            assert started.stdout.readline() == "up\n"
            yield started
        except BaseException:
            started.terminate()
            raise


def traces(base: Path) -> dict[str, object]:
    """Return everything that a node with its directory below ``base`` changes on this machine."""
    points = [line.split()[4] for line in text(Path("/proc/self/mountinfo")).splitlines()]
    listing = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout)
    shims = [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if "containerd-shim" in text(entry)]
    return {
        "rules": sorted(line for line in listing.splitlines() if line.startswith("-A") or ":KUBE-" in line),
        "links": sorted(link["ifname"] for link in links),
        "mounts": sorted(
            point for point in points if point.startswith((str(base), "/run/posefleet-lab", "/run/netns"))
        ),
        "settings": {name: text(Path("/proc/sys") / name) for name in SETTINGS},
        "shims": len(shims),
        "groups": sorted(map(str, Path("/sys/fs/cgroup").glob("**/kubepods"))),
        "places": [path for path in ("/var/lib/kubelet", "/var/log/containers") if Path(path).exists()],
    }


def text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # the process ended meanwhile


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_starter_ends(tmp_path_factory, end):
    base, directory = tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("ends")
    before = traces(base)
    with starter(directory) as started:
        during = traces(base)
        assert all(during[trace] != before[trace] for trace in ("rules", "links", "mounts", "shims", "groups"))
        processes = ClusterState.read(directory).processes()
        started.send_signal(end)
    wait_for("the end of the cluster", lambda: ClusterState.read(directory) is None, 120)
    assert not any(identity.alive() for identity in processes.values())
    assert traces(base) == before


def test_a_new_node_removes_what_a_crashed_machine_left(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    crashed, directory = tmp_path_factory.mktemp("crashed"), tmp_path_factory.mktemp("next")
    before = traces(base)
    with starter(crashed) as started:
        programs = ClusterState.read(crashed).processes().values()
        for pid in [*children(started.pid, "posefleet_lab.teardown"), started.pid]:
            os.kill(pid, signal.SIGKILL)
        for identity in programs:
            identity.signal(signal.SIGKILL)
    wait_for("the crash", lambda: not any(identity.alive() for identity in programs), 10)
    assert traces(base) != before
    with Cluster(directory, node="container", store=None) as cluster:
        assert cluster.container_node.network.bridge in traces(base)["links"]
    assert traces(base) == before


def children(pid: int, argument: str) -> list[int]:
    """Return the children of a process that have this argument."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if argument in line]
