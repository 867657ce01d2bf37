"""Addresses and names of pods on a process node."""

import pytest
from kubernetes import client
from lab_pods import a_pod, eventually

pytestmark = pytest.mark.cluster

GREETER = """
import os, socket, sys, time
me, peers = os.environ["IP"], ["gang-0.gang", "gang-1.gang." + os.environ["NAMESPACE"] + ".svc.cluster.local"]
server = socket.create_server((me, 28200))
server.settimeout(30)
other = peers[1 - int(os.environ["JOB_COMPLETION_INDEX"])]
deadline = time.monotonic() + 30
while True:
    try:
        client = socket.create_connection((other, 28200), timeout=5)
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
client.sendall(socket.gethostname().encode())
client.shutdown(socket.SHUT_WR)
print("heard", server.accept()[0].recv(100).decode())
"""


def a_gang(namespace: str) -> tuple[dict, dict]:
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NAMESPACE", "value": namespace},
    ]
    pod = a_pod().labelled(gang="gang").with_spec(subdomain="gang")
    template = pod.with_container(command=["python", "-u", "-c", GREETER], env=env).template()
    del template["metadata"]["name"]
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 0, "template": template}
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"gang": "gang"}}
    return {"metadata": {"name": "gang"}, "spec": spec}, {"metadata": {"name": "gang"}, "spec": service}


def test_the_pods_of_an_indexed_job_reach_each_other_by_name(kube, namespace):
    job, service = a_gang(namespace)
    core, batch = client.CoreV1Api(kube), client.BatchV1Api(kube)
    core.create_namespaced_service(namespace, service)
    batch.create_namespaced_job(namespace, job)
    eventually(lambda: batch.read_namespaced_job("gang", namespace).status.succeeded == 2, "the job succeeds")
    pods = core.list_namespaced_pod(namespace).items
    assert len({pod.status.pod_ip for pod in pods}) == 2
    logs = {core.read_namespaced_pod_log(pod.metadata.name, namespace).strip() for pod in pods}
    assert logs == {"heard gang-0", "heard gang-1"}


def test_a_name_appears_in_a_running_pod_when_its_peer_starts(kube, namespace):
    core = client.CoreV1Api(kube)
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": "peers"}}
    core.create_namespaced_service(namespace, {"metadata": {"name": "peers"}, "spec": spec})
    waiter = a_pod("until getent hosts late.peers; do sleep 0.05; done").named("early").create(kube, namespace)
    waiter.until_phase("Running")
    late = a_pod("sleep 60").named("late").labelled(app="peers").with_spec(subdomain="peers", hostname="late")
    late_pod = late.create(kube, namespace)
    waiter.ended()
    assert late_pod.read().status.pod_ip in waiter.logs()
    late_pod.delete(grace_period_seconds=0)


def test_a_service_without_unready_addresses_names_ready_pods_only(kube, namespace):
    core = client.CoreV1Api(kube)
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    core.create_namespaced_service(namespace, {"metadata": {"name": "web"}, "spec": spec})
    probe = {"exec": {"command": ["test", "-e", "/work/ready"]}, "periodSeconds": 1}
    script = "sleep 1; getent hosts web && exit 1; touch /work/ready; until getent hosts web; do sleep 0.05; done"
    pod = a_pod(script).labelled(app="web").with_volume("/work", emptyDir={}).with_container(readinessProbe=probe)
    pod.create(kube, namespace).ended()
