"""The container node behaves like a real node: containers, cluster DNS, Services, security, monitoring."""

import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from container_pods import ended, restricted_pod, restricted_spec, runs
from kubernetes import client

from posefleet_lab.cluster import Cluster
from posefleet_lab.errors import StateError
from posefleet_lab.tools import binaries
from support.waiting import wait_for

FOREVER = "import signal; print('begun'); signal.pause()"
WHO = "import os; print(os.getuid(), open('/proc/1/comm').read().strip()); os.mkdir('/made')"
MEET = """
import os, socket, time
me = int(os.environ["JOB_COMPLETION_INDEX"])
with socket.create_server(("", 7000)) as server:
    server.settimeout(60)
    for _ in range(300):
        try:
            socket.create_connection((f"gang-{1 - me}.gang", 7000), 2).close()
            print("met", 1 - me)
            break
        except OSError:
            time.sleep(0.1)
    server.accept()  # the other pod may look this one up later, so stay until it has connected
"""
ASK_THE_API_SERVER = """
import json, ssl, urllib.request
place = "/var/run/secrets/kubernetes.io/serviceaccount/"
token = open(place + "token").read()
context = ssl.create_default_context(cafile=place + "ca.crt")
body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
url = "https://kubernetes.default.svc/apis/authentication.k8s.io/v1/selfsubjectreviews"
answer = urllib.request.urlopen(urllib.request.Request(url, body, headers), context=context)
print(json.load(answer)["status"]["userInfo"]["username"])
"""
ASK_THE_STORE = """
import sys, urllib.request
for url in ("http://minio.minio:9000", "{endpoint}"):
    print(urllib.request.urlopen(url + "/minio/health/live").status)
"""
METRICS = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/numbers"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"answer 42\\n" if found else b"")
http.server.HTTPServer(("", 9400), Handler).serve_forever()
"""


@pytest.fixture
def core(kube: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(kube)


def test_a_pod_runs_as_its_user_in_a_file_system_of_its_own(core, namespace, python_image):
    core.create_namespaced_pod(namespace, restricted_pod("who", python_image, WHO))
    assert ended(core, namespace, "who").exit_code == 1
    # The order of lines from stdout and stderr is not defined.
    log = core.read_namespaced_pod_log("who", namespace)
    assert "10001 python3" in log.splitlines()
    assert "Read-only file system: '/made'" in log


def test_pods_of_an_indexed_job_find_each_other_by_name(kube, core, namespace, python_image):
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"job-name": "gang"}}
    core.create_namespaced_service(namespace, {"metadata": {"name": "gang"}, "spec": service})
    template = {"spec": {**restricted_spec(python_image, MEET), "subdomain": "gang"}}
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 0, "template": template}
    batch = client.BatchV1Api(kube)
    batch.create_namespaced_job(namespace, {"metadata": {"name": "gang"}, "spec": spec})
    status = lambda: batch.read_namespaced_job_status("gang", namespace).status  # noqa: E731
    wait_for("the end of the job", lambda: status().succeeded == 2 or status().failed)
    pods = core.list_namespaced_pod(namespace).items
    assert sorted(core.read_namespaced_pod_log(pod.metadata.name, namespace) for pod in pods) == ["met 0\n", "met 1\n"]


def test_a_pod_reaches_the_api_server_with_its_token(core, namespace, python_image):
    core.create_namespaced_pod(namespace, restricted_pod("client", python_image, ASK_THE_API_SERVER))
    assert ended(core, namespace, "client").exit_code == 0, core.read_namespaced_pod_log("client", namespace)
    assert core.read_namespaced_pod_log("client", namespace) == f"system:serviceaccount:{namespace}:default\n"


def test_a_pod_reaches_the_store_by_name_and_by_address(cluster, core, namespace, python_image):
    program = ASK_THE_STORE.format(endpoint=cluster.store.endpoint)
    core.create_namespaced_pod(namespace, restricted_pod("reader", python_image, program))
    assert ended(core, namespace, "reader").exit_code == 0, core.read_namespaced_pod_log("reader", namespace)
    assert core.read_namespaced_pod_log("reader", namespace) == "200\n200\n"


def test_kubectl_shows_logs_and_runs_commands_in_a_pod(kubectl, core, namespace, python_image):
    core.create_namespaced_pod(namespace, restricted_pod("server", python_image, FOREVER))
    wait_for("the pod runs", lambda: runs(core, namespace, "server"))
    assert kubectl("-n", namespace, "logs", "server") == "begun\n"
    assert kubectl("-n", namespace, "exec", "server", "--", "id", "-u") == "10001\n"


def test_kubectl_forwards_a_port_and_this_machine_reaches_a_service(cluster, core, namespace, python_image):
    pod = restricted_pod("numbers", python_image, METRICS, labels={"app": "numbers"})
    core.create_namespaced_pod(namespace, pod)
    ports = {"selector": {"app": "numbers"}, "ports": [{"port": 80, "targetPort": 9400}]}
    service = core.create_namespaced_service(namespace, {"metadata": {"name": "numbers"}, "spec": ports})
    wait_for("the pod runs", lambda: runs(core, namespace, "numbers"))
    wait_for("the Service answers", lambda: text_at(f"http://{service.spec.cluster_ip}/numbers") == "answer 42\n", 20)
    command = [str(binaries.kubectl()), "-n", namespace, "port-forward", "service/numbers", ":80"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            address = forwarding.stdout.readline().split()[2]  # Forwarding from 127.0.0.1:PORT -> 9400
            assert text_at(f"http://{address}/numbers") == "answer 42\n"
        finally:
            forwarding.terminate()


def test_the_restricted_standard_is_enforced(core, namespace, python_image):
    pod = restricted_pod("bad", python_image, FOREVER)
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(client.ApiException) as refused:
        core.create_namespaced_pod(namespace, pod)
    assert refused.value.status == 403
    assert 'violates PodSecurity \\"restricted' in refused.value.body


def test_prometheus_scrapes_a_pod_that_asks_for_it(cluster, core, namespace, python_image):
    asks = {"prometheus.io/scrape": "true", "prometheus.io/port": "9400", "prometheus.io/path": "/numbers"}
    labels = {"posefleet.io/job": "reaching", "posefleet.io/attempt": "3"}
    core.create_namespaced_pod(
        namespace, restricted_pod("numbers", python_image, METRICS, annotations=asks, labels=labels)
    )
    core.create_namespaced_pod(namespace, restricted_pod("silent", python_image, METRICS))
    found = wait_for("the sample", lambda: cluster.monitoring.query(f'answer{{namespace="{namespace}"}}'))
    assert [sample.value for sample in found] == [42]
    expected = {"namespace": namespace, "pod": "numbers", "training_job": "reaching", "attempt": "3"}
    assert expected.items() <= found[0].labels.items()
    assert [sample.labels["pod"] for sample in cluster.monitoring.query(f'up{{namespace="{namespace}"}}')] == [
        "numbers"
    ]


def test_a_killed_container_fails_its_pod(cluster, core, namespace, python_image):
    core.create_namespaced_pod(namespace, restricted_pod("victim", python_image, FOREVER))
    wait_for("the pod runs", lambda: runs(core, namespace, "victim"))
    assert cluster.node.pids(namespace, "victim") == cluster.node.pids(namespace, "victim", "main")
    [pid] = cluster.node.pids(namespace, "victim", "main")
    os.kill(pid, signal.SIGKILL)
    assert ended(core, namespace, "victim").exit_code == 137


def test_the_node_is_a_worker_with_pretended_gpus(cluster, core):
    node = core.read_node(cluster.node.name)
    assert "node-role.kubernetes.io/worker" in node.metadata.labels
    assert not [label for label in node.metadata.labels if label.startswith("nvidia.com/")]
    assert node.status.allocatable["nvidia.com/gpu"] == "8"


def test_the_kubelet_serves_nobody_unknown(cluster, core):
    node = core.read_node(cluster.node.name)
    port = node.status.daemon_endpoints.kubelet_endpoint.port
    context = ssl.create_default_context(cafile=cluster.control_plane.directory / "pki" / "ca.crt")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"https://{cluster.container_node.network.gateway}:{port}/pods", context=context)
    assert refused.value.code == 401


def test_a_second_container_node_is_refused(cluster, tmp_path_factory):
    with pytest.raises(StateError, match=rf"'e2e' runs a container node already.*--directory {cluster.directory}"):
        Cluster(tmp_path_factory.mktemp("second"), node="container", store=None).start()
    assert all(component.alive() for component in cluster.components)


def text_at(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()
    except OSError:
        return ""
