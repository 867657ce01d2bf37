"""The process node itself: registration, scheduling, restarts of its agent and of the API server."""

import os
import sys
from pathlib import Path

import pytest
from kubernetes import client
from lab_pods import IMAGE, a_pod, eventually

from posefleet_lab.process_node.node import ProcessNode

pytestmark = pytest.mark.cluster

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


@pytest.fixture
def second_node(cluster, kube, tmp_path):
    """A second node for tests that stop it. It is removed after the test."""
    node = ProcessNode(
        cluster.control_plane, tmp_path / "node", name="second", images={IMAGE: Path(sys.prefix)}, cpus=4
    )
    node.start()
    core = client.CoreV1Api(kube)
    core.patch_node("second", {"spec": {"taints": [{"key": "test", "effect": "NoSchedule"}]}})
    yield node
    node.stop()
    core.delete_node("second")


def on_second(pod):
    return pod.with_spec(
        nodeSelector={"kubernetes.io/hostname": "second"}, tolerations=[{"key": "test", "operator": "Exists"}]
    )


def test_the_node_shows_what_it_has(kube, cluster):
    node = client.CoreV1Api(kube).read_node(cluster.node.name)
    assert node.status.allocatable["nvidia.com/gpu"] == "8"
    assert node.status.node_info.kubelet_version.startswith("v1.34")
    lease = client.CoordinationV1Api(kube).read_namespaced_lease(cluster.node.name, "kube-node-lease")
    assert lease.spec.holder_identity == cluster.node.name


def test_more_gpus_than_there_are_stay_pending(kube, namespace):
    resources = {"limits": {"nvidia.com/gpu": "9"}}
    pod = a_pod().with_container(resources=resources).create(kube, namespace)
    eventually(lambda: any("Insufficient nvidia.com/gpu" in m for m in pod.event_messages("FailedScheduling")), "event")
    assert pod.read().status.phase == "Pending"


def test_a_cordoned_node_gets_no_pods(kube, namespace, cluster):
    core = client.CoreV1Api(kube)
    core.patch_node(cluster.node.name, {"spec": {"unschedulable": True}})
    try:
        pod = a_pod().create(kube, namespace)
        eventually(lambda: pod.event_messages("FailedScheduling"), "FailedScheduling event")
    finally:
        core.patch_node(cluster.node.name, {"spec": {"unschedulable": False}})
    pod.ended()


@pytest.mark.parametrize("crash", [False, True])
def test_pods_of_an_agent_that_went_away_fail_and_leave_no_process(kube, namespace, second_node, crash):
    marker = f"{namespace}-{crash}"
    pod = on_second(a_pod(f": {marker}; {FOREVER}")).create(kube, namespace)
    pod.until_phase("Running")
    second_node.kill() if crash else second_node.stop()
    eventually(lambda: marker not in processes(), "the container's processes are gone", 10)
    second_node.start()
    seen = pod.until_phase("Failed")
    end = seen.status.container_statuses[0].state.terminated
    assert (end.exit_code, end.reason) == (255, "Unknown")


def test_a_pod_that_restarts_always_comes_back_with_the_agent(kube, namespace, second_node):
    pod = on_second(a_pod(FOREVER)).with_spec(restartPolicy="Always").create(kube, namespace)
    pod.until_phase("Running")
    second_node.restart(crash=True)
    seen = pod.until_restarted()
    assert seen.status.phase == "Running"


def test_a_pod_deleted_while_no_agent_ran_is_cleaned_up(kube, namespace, second_node):
    pod = on_second(a_pod(FOREVER)).create(kube, namespace)
    pod.until_phase("Running")
    assert list((second_node.directory / "pods").glob(f"{namespace}_*"))
    second_node.stop()
    pod.delete()
    second_node.start()
    pod.until_gone()
    eventually(lambda: not list((second_node.directory / "pods").glob(f"{namespace}_*")), "the pod's files are deleted")


def test_a_pod_runs_through_a_restart_of_the_api_server(kube, namespace, cluster):
    pod = a_pod("until [ -e /work/go ]; do sleep 0.05; done; echo through").with_volume("/work", emptyDir={})
    handle = pod.with_container(
        readinessProbe={"exec": {"command": ["touch", "/work/go"]}, "initialDelaySeconds": 8}
    ).create(kube, namespace)
    begun = handle.until_phase("Running").status.container_statuses[0].state.running.started_at
    cluster.restart("apiserver", crash=True)
    assert handle.ended().started_at == begun
    assert handle.logs() == "through\n"


def test_without_namespaces_paths_and_names_are_translated(kube, namespace, cluster, tmp_path):
    core = client.CoreV1Api(kube)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "job"}, "data": {"job.json": "content"}})
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": "self"}}
    node = ProcessNode(
        cluster.control_plane, tmp_path / "plain", name="plain", images={IMAGE: Path(sys.prefix)}, isolate=False
    )
    node.start()
    try:
        pod = (
            a_pod("cat /etc/posefleet/job.json; echo > $OUT; echo $PEER")
            .labelled(app="self")
            .with_volume("/etc/posefleet", configMap={"name": "job"})
            .with_volume("/cache", emptyDir={})
            .with_container(env=[{"name": "OUT", "value": "/cache/out"}, {"name": "PEER", "value": "pod.self"}])
            .with_spec(subdomain="self", nodeName="plain")
            .create(kube, namespace)
        )
        pod.until(lambda seen: seen.status.pod_ip, "an address")
        core.create_namespaced_service(namespace, {"metadata": {"name": "self"}, "spec": service})
        pod.ended()
        assert pod.logs() == f"content{pod.read().status.pod_ip}\n"
        pod.delete()
        pod.until_gone()
    finally:
        node.stop()
        core.delete_node("plain")


def test_an_account_kubeconfig_has_the_accounts_rights_only(kube, namespace, cluster, tmp_path):
    from kubernetes import config

    path = cluster.service_account_kubeconfig(namespace, "default", tmp_path / "account.kubeconfig")
    core = client.CoreV1Api(config.new_client_from_config(str(path)))
    with pytest.raises(client.ApiException) as refused:
        core.list_namespaced_pod(namespace)
    assert refused.value.status == 403
    assert path.stat().st_mode & 0o077 == 0


def processes() -> str:
    """Return the command lines of all other processes."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(line for line in lines if str(os.getpid()) not in line)
