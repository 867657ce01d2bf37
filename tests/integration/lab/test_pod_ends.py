"""The end of pods: exit codes, signals, grace periods, memory limits, deadlines, termination messages."""

import os
import signal
import time
from pathlib import Path

import pytest
from kubernetes import client
from lab_pods import a_pod, conditions, eventually

pytestmark = pytest.mark.cluster


def test_a_pod_that_exits_with_0_succeeds(kube, namespace):
    pod = a_pod("echo hello").create(kube, namespace)
    end = pod.ended()
    assert (end.exit_code, end.reason) == (0, "Completed")
    seen = conditions(pod.read())
    assert seen["PodScheduled"] == "True"
    assert seen["Initialized"] == "True"
    assert seen["Ready"] == "False"
    eventually(lambda: set(pod.event_reasons()) >= {"Scheduled", "Pulled", "Created", "Started"}, "events")


# Kubernetes replaces $$ by $.
@pytest.mark.parametrize(("script", "code"), [("exit 78", 78), ("sh -c 'kill -KILL $$$$'", 137), ("exit 75", 75)])
def test_a_failing_pod_keeps_its_exit_code(kube, namespace, script, code):
    end = a_pod(script).create(kube, namespace).ended("Failed")
    assert (end.exit_code, end.reason) == (code, "Error")


def test_the_termination_message_is_bounded(kube, namespace):
    pod = a_pod("head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log; exit 1").create(kube, namespace)
    assert pod.ended("Failed").message == "x" * 4096


def test_the_log_stands_in_for_a_missing_termination_message(kube, namespace):
    pod = a_pod("echo the reason; exit 1").with_container(terminationMessagePolicy="FallbackToLogsOnError")
    assert pod.create(kube, namespace).ended("Failed").message == "the reason\n"


def test_a_program_that_does_not_exist_is_a_start_error(kube, namespace):
    end = a_pod().with_container(command=["no-such-program"]).create(kube, namespace).ended("Failed")
    assert (end.exit_code, end.reason) == (128, "StartError")
    assert "executable file not found in $PATH" in end.message


def test_sigterm_reaches_the_main_process_alone_and_its_exit_code_counts(kube, namespace):
    script = "trap 'echo got it; exit 75' TERM; echo ready; while :; do sleep 0.05; done"
    pod = a_pod(script).with_spec(terminationGracePeriodSeconds=20).create(kube, namespace)
    eventually(lambda: "ready" in _logs(pod), "the trap is set")
    watched = client.CoreV1Api(kube)
    pod.delete()
    exits = eventually(lambda: _exit_codes_until_gone(watched, pod), "the pod's end is seen")
    assert exits == {75}
    pod.until_gone()


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace_period(kube, namespace):
    pod = a_pod("trap '' TERM; echo ready; while :; do sleep 0.05; done").create(kube, namespace)
    eventually(lambda: "ready" in _logs(pod), "the trap is set")
    begun = time.monotonic()
    pod.delete(grace_period_seconds=1)
    pod.until_gone(seconds=8)
    assert time.monotonic() - begun >= 1


def test_a_container_over_its_memory_limit_is_oom_killed(kube, namespace):
    hog = "python -c 'x = bytearray(400 << 20); import time; time.sleep(60)'"
    limits = {"limits": {"memory": "100Mi"}, "requests": {"cpu": "10m"}}
    end = a_pod(hog).with_container(resources=limits).create(kube, namespace).ended("Failed")
    assert (end.exit_code, end.reason) == (137, "OOMKilled")


def test_an_empty_dir_over_its_size_limit_evicts_the_pod(kube, namespace):
    pod = a_pod("head -c 3000000 /dev/zero > /cache/x; sleep 60").with_volume("/cache", emptyDir={"sizeLimit": "1Mi"})
    seen = pod.create(kube, namespace).until_phase("Failed")
    assert seen.status.reason == "Evicted"
    assert conditions(seen)["DisruptionTarget"] == "True"


def test_a_pod_past_its_deadline_fails(kube, namespace):
    seen = a_pod("sleep 60").with_spec(activeDeadlineSeconds=1).create(kube, namespace).until_phase("Failed")
    assert seen.status.reason == "DeadlineExceeded"


def test_eviction_leaves_the_condition_that_the_api_server_set(kube, namespace):
    pod = a_pod("trap 'exit 75' TERM; echo ready; while :; do sleep 0.05; done")
    handle = pod.create(kube, namespace)
    handle.core.patch_namespaced_pod(handle.name, namespace, {"metadata": {"finalizers": ["test.lab/hold"]}})
    eventually(lambda: "ready" in _logs(handle), "the trap is set")
    client.CoreV1Api(kube).create_namespaced_pod_eviction(
        handle.name, namespace, {"metadata": {"name": handle.name, "namespace": namespace}}
    )
    seen = handle.until_phase("Failed")
    assert conditions(seen)["DisruptionTarget"] == "True"
    assert seen.status.container_statuses[0].state.terminated.exit_code == 75
    handle.core.patch_namespaced_pod(handle.name, namespace, {"metadata": {"finalizers": None}})
    handle.until_gone()


def test_a_test_can_kill_one_process_of_a_container(cluster, kube, namespace):
    pod = a_pod("sleep 600; echo survived $?").create(kube, namespace)
    shell, sleeper = eventually(lambda: _two(cluster.node.pids(namespace, "pod")), "shell and sleep run")
    assert Path(f"/proc/{sleeper}/comm").read_text() == "sleep\n"
    os.kill(sleeper, signal.SIGKILL)
    assert pod.ended().exit_code == 0
    assert pod.logs().splitlines()[-1] == "survived 137"
    assert not Path(f"/proc/{shell}").exists()


def test_nothing_of_a_container_outlives_its_main_process(kube, namespace, tmp_path):
    tmp_path.chmod(0o777)
    script = "(while :; do date > /shared/beat; sleep 0.05; done) & until [ -e /shared/beat ]; do sleep 0.05; done"
    pod = a_pod(script).with_volume("/shared", hostPath={"path": str(tmp_path)}).create(kube, namespace)
    pod.ended()
    (tmp_path / "beat").unlink()
    a_pod("sleep 0.5").named("later").create(kube, namespace).ended()
    assert not (tmp_path / "beat").exists()


def _two(pids):
    return pids if len(pids) == 2 else None


def _logs(pod):
    try:
        return pod.logs()
    except client.ApiException:
        return ""


def _exit_codes_until_gone(core, pod):
    """Return the exit codes that a watch of the pod shows before the pod is removed."""
    from kubernetes import watch

    codes = set()
    selector = f"metadata.name={pod.name}"
    for event in watch.Watch().stream(
        core.list_namespaced_pod, pod.namespace, field_selector=selector, timeout_seconds=20
    ):
        for status in event["object"].status.container_statuses or []:
            if status.state.terminated:
                codes.add(status.state.terminated.exit_code)
        if event["type"] == "DELETED":
            break
    return codes
