"""The environment, volumes, users and root file system of containers."""

import base64
import json

import pytest
from kubernetes import client
from lab_pods import IMAGE, a_pod, eventually

pytestmark = pytest.mark.cluster


def test_the_environment_is_the_pods_and_not_the_machines(kube, namespace):
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "GREETING", "value": "hello from $(IP)"},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
    ]
    script = "env | sort; [ $(python -c 'import sys; print(sys.prefix)') = $VIRTUAL_ENV ]"
    pod = a_pod(script).with_container(env=env).create(kube, namespace)
    pod.ended()
    seen = dict(line.split("=", 1) for line in pod.logs().splitlines())
    address = pod.read().status.pod_ip
    assert seen["GREETING"] == f"hello from {address}"
    assert address.startswith("127.")
    assert seen["CPUS"] == "10"
    assert seen["HOSTNAME"] == "pod"
    assert "KUBERNETES_SERVICE_HOST" in seen
    assert "PYTEST_CURRENT_TEST" not in seen


def test_config_maps_and_secrets_are_files_and_variables(kube, namespace):
    core = client.CoreV1Api(kube)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "job"}, "data": {"job.json": "{}"}})
    secret = {"metadata": {"name": "s3"}, "stringData": {"accessKey": "ak", "secretKey": "sk"}}
    core.create_namespaced_secret(namespace, secret)
    pod = (
        a_pod("cat /etc/posefleet/job.json /etc/s3/secretKey; echo $ACCESS $accessKey; touch /etc/posefleet/x")
        .with_volume("/etc/posefleet", configMap={"name": "job"})
        .with_volume("/etc/s3", secret={"secretName": "s3"})
        .with_container(
            env=[{"name": "ACCESS", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "accessKey"}}}],
            envFrom=[{"secretRef": {"name": "s3"}}],
        )
        .create(kube, namespace)
    )
    pod.ended("Failed")
    assert "{}skak ak\n" in pod.logs()
    assert "Read-only file system" in pod.logs()


def test_a_missing_secret_volume_holds_the_pod_until_it_appears(kube, namespace):
    pod = a_pod("cat /etc/s3/key").with_volume("/etc/s3", secret={"secretName": "late"}).create(kube, namespace)
    eventually(lambda: pod.event_messages("FailedMount"), "FailedMount event")
    assert pod.event_messages("FailedMount") == [
        'MountVolume.SetUp failed for volume "volume-0" : secret "late" not found'
    ]
    assert pod.until_waiting("ContainerCreating")
    client.CoreV1Api(kube).create_namespaced_secret(
        namespace, {"metadata": {"name": "late"}, "data": {"key": base64.b64encode(b"value").decode()}}
    )
    pod.ended()
    assert pod.logs() == "value"


def test_a_missing_secret_key_is_a_config_error_until_it_appears(kube, namespace):
    source = {"secretKeyRef": {"name": "late", "key": "key"}}
    pod = a_pod("echo $KEY").with_container(env=[{"name": "KEY", "valueFrom": source}]).create(kube, namespace)
    waiting = pod.until_waiting("CreateContainerConfigError")
    assert waiting.message == 'secret "late" not found'
    core = client.CoreV1Api(kube)
    core.create_namespaced_secret(namespace, {"metadata": {"name": "late"}, "stringData": {"other": "x"}})
    message = f"couldn't find key key in Secret {namespace}/late"
    eventually(lambda: pod.until_waiting("CreateContainerConfigError").message == message, message)
    core.patch_namespaced_secret("late", namespace, {"stringData": {"key": "value"}})
    pod.ended()
    assert pod.logs() == "value\n"


def test_an_unknown_image_is_not_pulled(kube, namespace):
    pod = a_pod().with_container(image="nobody/knows:this").create(kube, namespace)
    pod.until_waiting("ErrImagePull")
    assert "nobody/knows:this" in pod.until_waiting("ImagePullBackOff").message
    assert {"Failed", "BackOff"} <= set(pod.event_reasons())
    pod.delete(grace_period_seconds=0)


def test_a_read_only_root_lets_only_volumes_be_written(kube, namespace):
    script = "touch /cache/ok /tmp/ok /dev/shm/ok && ! touch /usr/x && ! touch /etc/x && ! touch /x && id -u"
    pod = (
        a_pod(script)
        .with_container(securityContext={"readOnlyRootFilesystem": True, "runAsNonRoot": True, "runAsUser": 1234})
        .with_volume("/cache", emptyDir={})
        .with_volume("/tmp", emptyDir={})
        .with_volume("/dev/shm", emptyDir={"medium": "Memory"})
        .create(kube, namespace)
    )
    pod.ended()
    assert pod.logs().splitlines()[-1] == "1234"


def test_run_as_non_root_refuses_root(kube, namespace):
    context = {"runAsNonRoot": True, "runAsUser": 0}
    pod = a_pod().with_container(securityContext=context).create(kube, namespace)
    assert "breaks non-root policy" in pod.until_waiting("CreateContainerConfigError").message
    pod.delete(grace_period_seconds=0)


def test_init_containers_run_in_order_before_the_container(kube, namespace):
    pod = (
        a_pod("cat /work/order")
        .with_volume("/work", emptyDir={})
        .with_init("echo one >> /work/order", volumeMounts=[{"name": "volume-0", "mountPath": "/work"}])
        .with_init("echo two >> /work/order", volumeMounts=[{"name": "volume-0", "mountPath": "/work"}])
        .create(kube, namespace)
    )
    pod.ended()
    assert pod.logs() == "one\ntwo\n"
    statuses = pod.read().status.init_container_statuses
    assert [status.state.terminated.exit_code for status in statuses] == [0, 0]


def test_a_failed_init_container_fails_a_pod_that_never_restarts(kube, namespace):
    pod = a_pod().with_init("exit 3").create(kube, namespace)
    seen = pod.until_phase("Failed")
    assert seen.status.container_statuses[0].state.waiting.reason == "PodInitializing"
    assert seen.status.init_container_statuses[0].state.terminated.exit_code == 3


def test_a_sidecar_starts_first_and_ends_last(kube, namespace):
    sidecar = "trap 'exit 0' TERM; echo up > /work/up; while :; do sleep 0.05; done"
    mounts = [{"name": "volume-0", "mountPath": "/work"}]
    pod = (
        a_pod("cat /work/up")
        .with_volume("/work", emptyDir={})
        .with_init(
            sidecar,
            restartPolicy="Always",
            volumeMounts=mounts,
            startupProbe={"exec": {"command": ["test", "-e", "/work/up"]}, "periodSeconds": 1},
        )
        .create(kube, namespace)
    )
    pod.ended()
    assert pod.logs() == "up\n"


def test_a_service_account_token_reaches_the_api_server(kube, namespace):
    code = (
        "import os, ssl, urllib.request as r; d='/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "u='https://%s:%s/version' % (os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT'])\n"
        "q=r.Request(u, headers={'Authorization': 'Bearer ' + open(d + 'token').read()})\n"
        "print(r.urlopen(q, context=ssl.create_default_context(cafile=d + 'ca.crt')).read().decode())\n"
    )
    pod = a_pod().with_container(command=["python", "-c", code]).create(kube, namespace)
    pod.ended()
    assert json.loads(pod.logs())["gitVersion"].startswith("v1.")


def test_a_changed_config_map_reaches_a_running_pod(kube, namespace):
    core = client.CoreV1Api(kube)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "live"}, "data": {"value": "old"}})
    script = "cat /etc/live/value; until [ $(cat /etc/live/value) = new ]; do sleep 0.1; done"
    pod = a_pod(script).with_volume("/etc/live", configMap={"name": "live"}).create(kube, namespace)
    eventually(lambda: pod.read().status.phase == "Running", "running")
    core.patch_namespaced_config_map("live", namespace, {"data": {"value": "new"}})
    pod.until_phase("Succeeded", seconds=60)


def test_the_image_of_a_status_is_the_pods(kube, namespace):
    pod = a_pod().create(kube, namespace)
    pod.ended()
    status = pod.read().status.container_statuses[0]
    assert (status.image, status.ready, status.restart_count) == (IMAGE, False, 0)
    assert status.container_id
