"""``kubectl logs`` through the API server and the node's HTTPS server."""

import subprocess

import pytest
from lab_pods import a_pod, eventually

from posefleet_lab.tools import binaries

pytestmark = pytest.mark.cluster


def kubectl(cluster, *arguments: str) -> str:
    command = [str(binaries.kubectl()), "--kubeconfig", str(cluster.kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_kubectl_shows_standard_output_and_error(cluster, kube, namespace):
    pod = a_pod("echo one; echo two >&2; printf three").create(kube, namespace)
    pod.ended()
    assert sorted(kubectl(cluster, "-n", namespace, "logs", "pod").split()) == ["one", "three", "two"]


def test_tail_since_and_timestamps(kube, namespace):
    pod = a_pod("for i in 1 2 3 4 5; do echo $i; done").create(kube, namespace)
    pod.ended()
    assert pod.logs(tail_lines=2) == "4\n5\n"
    assert pod.logs(since_seconds=3600) == "1\n2\n3\n4\n5\n"
    stamp, text = pod.logs(tail_lines=1, timestamps=True).split()
    assert stamp.endswith("Z")
    assert text == "5"


def test_following_ends_with_the_container(cluster, kube, namespace):
    script = "echo begin; until [ -e /work/go ]; do sleep 0.05; done; echo end"
    a_pod(script).with_volume("/work", emptyDir={}).with_init(
        "(sleep 0) & true", volumeMounts=[{"name": "volume-0", "mountPath": "/work"}]
    ).with_container(readinessProbe={"exec": {"command": ["touch", "/work/go"]}, "initialDelaySeconds": 1}).create(
        kube, namespace
    ).until_phase("Running")
    assert kubectl(cluster, "-n", namespace, "logs", "-f", "pod") == "begin\nend\n"


def test_the_log_of_the_run_before(kube, namespace):
    script = "if [ -e /work/x ]; then echo second; sleep 60; fi; touch /work/x; echo first; exit 1"
    pod = a_pod(script).with_volume("/work", emptyDir={}).with_spec(restartPolicy="Always").create(kube, namespace)
    pod.until_restarted()
    assert pod.logs(previous=True) == "first\n"
    eventually(lambda: pod.logs() == "second\n", "the log of the second run")
    pod.delete(grace_period_seconds=0)
