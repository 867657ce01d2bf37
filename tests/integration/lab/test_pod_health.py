"""Probes, restarts and hooks."""

import pytest
from kubernetes import client
from lab_pods import a_pod, conditions, eventually

pytestmark = pytest.mark.cluster

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
QUICK = {"periodSeconds": 1, "failureThreshold": 1}


def test_a_pod_is_ready_once_its_readiness_probe_succeeds(kube, namespace):
    probe = {"exec": {"command": ["test", "-e", "/work/ready"]}, **QUICK}
    pod = (
        a_pod(f"sleep 1.2; touch /work/ready; {FOREVER}")
        .with_volume("/work", emptyDir={})
        .with_container(readinessProbe=probe)
        .create(kube, namespace)
    )
    seen = pod.until(lambda pod: pod.status.phase == "Running", "running")
    assert conditions(seen)["Ready"] == "False"
    pod.until(lambda pod: conditions(pod)["Ready"] == "True", "ready")
    assert any("Readiness probe failed" in text for text in pod.event_messages("Unhealthy"))


def test_http_and_tcp_probes_ask_the_pods_address(kube, namespace):
    pod = (
        a_pod()
        .with_container(
            command=["python", "-m", "http.server", "--bind", "$(IP)", "28123"],
            env=[{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            ports=[{"name": "http", "containerPort": 28123}],
            startupProbe={"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 20},
            readinessProbe={"httpGet": {"path": "/", "port": "http"}, **QUICK},
        )
        .create(kube, namespace)
    )
    pod.until(lambda pod: conditions(pod).get("Ready") == "True", "ready")
    pod.delete(grace_period_seconds=0)


def test_a_failing_liveness_probe_restarts_the_container(kube, namespace):
    probe = {"exec": {"command": ["sh", "-c", "echo sick; exit 1"]}, **QUICK}
    pod = (
        a_pod("trap 'exit 9' TERM; while :; do sleep 0.05; done")
        .with_container(livenessProbe=probe)
        .with_spec(restartPolicy="Always", terminationGracePeriodSeconds=5)
        .create(kube, namespace)
    )
    seen = pod.until_restarted()
    assert seen.status.container_statuses[0].last_state.terminated.exit_code == 9
    eventually(lambda: "Liveness probe failed: sick" in pod.event_messages("Unhealthy"), "Unhealthy event")
    assert "Container main failed liveness probe, will be restarted" in pod.event_messages("Killing")


def test_a_failing_liveness_probe_fails_a_pod_that_never_restarts(kube, namespace):
    probe = {"exec": {"command": ["false"]}, **QUICK}
    script = "trap 'exit 9' TERM; while :; do sleep 0.05; done"
    pod = a_pod(script).with_container(livenessProbe=probe).create(kube, namespace)
    assert pod.ended("Failed").exit_code == 9


def test_on_failure_restarts_until_success(kube, namespace):
    script = "if [ -e /work/once ]; then exit 0; fi; touch /work/once; exit 1"
    pod = a_pod(script).with_volume("/work", emptyDir={}).with_spec(restartPolicy="OnFailure").create(kube, namespace)
    pod.ended()
    status = pod.read().status.container_statuses[0]
    assert (status.restart_count, status.last_state.terminated.exit_code) == (1, 1)


def test_a_container_that_fails_again_and_again_backs_off(kube, namespace):
    pod = a_pod("exit 1").with_spec(restartPolicy="Always").create(kube, namespace)
    waiting = pod.until_waiting("CrashLoopBackOff")
    assert waiting.message.startswith("back-off 10s restarting failed container=main pod=pod_")
    assert pod.read().status.phase == "Running"
    eventually(lambda: pod.event_messages("BackOff"), "BackOff event")
    pod.delete()
    pod.until_gone()


def test_pre_stop_runs_before_sigterm(kube, namespace, tmp_path):
    tmp_path.chmod(0o777)
    script = "trap 'echo term >> /out/order; exit 0' TERM; touch /out/up; while :; do sleep 0.05; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /out/order"]}}}
    pod = (
        a_pod(script)
        .with_volume("/out", hostPath={"path": str(tmp_path)})
        .with_container(lifecycle=hook)
        .create(kube, namespace)
    )
    eventually((tmp_path / "up").exists, "the container is up")
    pod.delete()
    pod.until_gone()
    assert (tmp_path / "order").read_text() == "hook\nterm\n"


def test_a_job_retries_a_failed_pod(kube, namespace):
    batch = client.BatchV1Api(kube)
    spec = {"backoffLimit": 1, "template": a_pod("exit 4").template()}
    batch.create_namespaced_job(namespace, {"metadata": {"name": "job"}, "spec": spec})

    def failed() -> bool:
        conditions = batch.read_namespaced_job("job", namespace).status.conditions or []
        return any(
            condition.type == "Failed" and condition.reason == "BackoffLimitExceeded" for condition in conditions
        )

    eventually(failed, "the job fails", 60)
