"""Manifests that hypothesis changes in a few fields, and what pydantic and the API server say about them."""

import os
from copy import deepcopy
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from kubernetes import client

from posefleet_api.constants import API_VERSION, GROUP, KIND, PLURAL, VERSION
from posefleet_api.crd import Schema, structural_schema
from posefleet_api.job import InvalidManifest, PoseTrainingJob, parse_job

#: Number of examples of each property; ``make manifests`` sets another.
EXAMPLES = int(os.environ.get("POSEFLEET_EXAMPLES", "1000"))
MANY = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
NAMESPACE = "default"
Path = tuple[str | int, ...]
Change = tuple[Path, Any]

REMOVED = object()
ANY_FIELD: tuple[Any, ...] = (
    REMOVED, True, False, -1, 0, 1, 2, 2.0, 3, 16, 64, 100, 1000, 10**6, 2**31 - 1, 2**31, 10**30, -0.5, 0.0, 0.1, 0.5,
    0.99, 1.5,
    "", "a", "0", "none", "imagenet", "auto", "bf16", "resnet18", "heatmap", "Any-Name_1", "lab.queue", "-bad", "bad-",
    "s3://", "s3://ab/x", "s3://lab-data/mouse/", "s3://lab-data/mouse?x", "s3://lab/a\nb",
    "file:///data/", "file://data", "videos/*.mp4", "../x", "/x", "a/../b", "a//b", ".hidden",
    "http://minio:9000", "https://minio.example/", "ftp://minio", "http://user:pass@minio",
    "http://minio/path", "é", "😀", "a\x00b", "a\x7fb", "line\n", "x" * 63, "x" * 64, "x" * 300, "X.y_z",
    [], {}, ["a"], [1], [1.0], [["a", "b"], [0, 1]], [["a"]], [["a", "b"], ["c"]], [[0.0, 1.0]], [[]], [{"name": "x"}],
    [{"name": ""}], [{"name": "x"}, {"name": "x"}],
    [{"name": "x", "value": "1", "extra": 1}], {"weight": 1}, {"weight": 0}, {"views": [["a"], ["b"]]},
    {"views": [["a"], ["b", "c"]]}, {"views": [["a"]]}, {"height": 128, "width": 128}, {"height": 100},
    {"validationPercent": 50, "testPercent": 50}, {"validationPercent": 60, "testPercent": 30},
    {"key": "text"}, {"key": 1}, {"name": "x"}, {"name": "x", "key": "k"}, {"name": "x", "key": ".."},
    "nvidia.com/mig-1g.10gb", {"rdma/hca": "1"}, {"rdma/hca": 1}, {"rdma/hca": "half"}, {"hca": "1"},
    {"nvidia.com/gpu": "1"}, {"gpuModel": "T4", "gpusPerNode": 0}, {f"lab/{n}": "1" for n in range(9)},
)  # fmt: skip
_QUANTITIES = (
    "1Gi", "1.5Gi", "1 Gi", "1.5", "0Gi", "0", "1M", "0.5M", "0.001Mi", "1.5M", "999999Ti", "9999999Ti", "00064Gi",
    "1e3", "-1Gi", "64gi", "1.2345Gi", "1m", "1k",
)  # fmt: skip
_NAMES = (
    "a", "a-1", "a.b", "a..b", "A", "-a", "a-", "a_b", "1a", "a" * 63, "a" * 64, "a" * 100, "a" * 253, "a" * 254,
    f"{'a' * 64}.b", f"{'a' * 63}.b", "posefleet-cache", "posefleet-", "data", "",
)  # fmt: skip
_LABEL_KEYS = (
    "a", "lab/a", "Lab/a", "lab/", "/a", "a/b/c", "-a", "a" * 63, "a" * 64, f"{'a' * 253}/a", f"{'a' * 254}/a",
    f"{'a' * 64}.b/c", "", "é", "nvidia.com/gpu.product", "kubernetes.io/arch", "posefleet.io/job", "job-name",
)  # fmt: skip
_LABEL_VALUES = ("", "a", "A_b.c", "-a", "a-", "é", "a" * 63, "a" * 64, "a b", "a/b")
_MAPS = tuple(
    [{key: "a"} for key in (*_LABEL_KEYS, "batch.kubernetes.io/job-name", "controller-uid", "posefleet.iox/job",
                            "kueue.x-k8s.io/queue-name", "app.kubernetes.io/name", "pod-security.kubernetes.io/x",
                            "container.apparmor.security.beta.kubernetes.io/trainer",
                            "kubernetes.io/psp", "scheduler.alpha.kubernetes.io/critical-pod",
                            "seccomp.security.alpha.kubernetes.io/pod", "kubernetes.io/config.mirror",
                            "controller.kubernetes.io/pod-deletion-cost")]
    + [{"a": value} for value in (*_LABEL_VALUES, "x" * 1024, "x" * 1025, 1)]
    + [{f"k{n}": "v" for n in range(count)} for count in (32, 33, 64, 65)]
)  # fmt: skip
_RESOURCES = (
    "nvidia.com/gpu", "amd.com/gpu", "rdma/hca", "kubernetes.io/gpu", "x.kubernetes.io/gpu", "requests.nvidia.com/gpu",
    "requests.x/y", "cpu", "nvidia.com/", "nvidia.com/-a", f"a/{'b' * 63}", f"a/{'b' * 64}", f"{'a' * 64}/b",
    f"{'a' * 126}/b", "Lab/x", "hugepages-2Mi", "a/hugepages-2Mi", "requests/x", "kubernetes.iox/a", "a/b/c",
    f"{'.'.join(['a' * 60] * 4)}/b",
)  # fmt: skip
_SPECIAL_PATHS = (
    "/data", "/data/", "//data", "/", "//", "/cache", "/cachex", "/cache/x", "/cache/", "/etc/posefleet/ca", "/etc",
    "/tmp", "/dev/shm", "/dev", "/device", "/proc", "/sys/fs", "/a:b", "/a b", "/..", "/a/..", "/a/../b", "/./cache",
    "/.hidden",
    "data", "./data", "..", "../a", "a/b", "a/", "a/../b", "..a", "/..a", "/a/..b", "", "/data\n", "/é", "/x" * 300,
    "//cache", "/data/../cache",
)  # fmt: skip
#: Values for the field of this name, beside those for any field.
OF_FIELD: dict[str, tuple[Any, ...]] = {
    "memoryPerNode": _QUANTITIES,
    "cachePerNode": _QUANTITIES,
    "sizeLimit": _QUANTITIES,
    "gpuResource": _RESOURCES,
    "extendedResources": tuple(
        [{name: "1"} for name in _RESOURCES]
        + [{"rdma/hca": amount} for amount in ("0", "1", "01", "1k", "1.5", "9" * 16, "9" * 17, "9" * 19)]
    ),
    "gpuModel": _LABEL_VALUES,
    "queue": _NAMES,
    "name": (*_NAMES, "MY_VAR", "1VAR", "a b", "HOME", "HOMER", "RANK", "MASTER_ADDR", "POSEFLEET_X",
             "AWS_ACCESS_KEY_ID", "CUDA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES_X", "JOB_COMPLETION_INDEX",
             "LD_PRELOAD", "a=b", "A" * 256),
    "claimName": _NAMES,
    "secretName": _NAMES,
    "serviceAccountName": _NAMES,
    "priorityClassName": (*_NAMES, "system-node-critical"),
    "runtimeClassName": _NAMES,
    "labels": _MAPS,
    "annotations": _MAPS,
    "nodeSelector": _MAPS,
    "key": (*_LABEL_KEYS, ".", "..", "...", "..data", "a.b", "ca.crt", "a/b", "a" * 254),
    "value": (*_LABEL_VALUES, "x" * 1024, "x" * 5000, "$(HOME)", "two\nlines"),
    "values": ([""], ["a", "a"], ["-a"], ["a" * 64], ["1"], [str(n) for n in range(33)], [1]),
    "operator": ("Equal", "Exists", "In", "NotIn", "DoesNotExist", "Gt", "Lt", "equal", ""),
    "effect": ("NoSchedule", "NoExecute", "PreferNoSchedule", "noexecute", ""),
    "mountPath": _SPECIAL_PATHS,
    "subPath": _SPECIAL_PATHS,
    "path": _SPECIAL_PATHS,
    "server": ("nfs.lab", "10.0.0.1", "fe80::1", "a b", "", "a/b", "-"),
    "fieldPath": ("metadata.name", "metadata.uid", "status.podIP", "status.hostIP", "metadata.labels", "spec.nodeName"),
    "region": ("eu-central-1", "eu.central", "a" * 64, "-"),
    "reasons": (["OOMKilled"], ["NodeLost", "NodeLost"], ["Out of memory"], ["OutOfnvidia.com/gpu"], [""]),
    "exitCodes": ([1], [0], [256], [1, 1], [137.0], ["1"]),
    "action": ("Retry", "Ignore", "Fail", "retry", ""),
    "env": (
        [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        [{"name": "A", "valueFrom": {}}],
        [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        [{"name": "A", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"},
                                     "configMapKeyRef": {"name": "s", "key": "k"}}}],
    ),
    "tolerations": (
        [{"operator": "Exists"}, {"operator": "Exists"}],
        [{}],
        [{"key": "a"}],
        [{"key": "a", "operator": "Exists", "value": "b"}],
        [{"operator": "Exists", "tolerationSeconds": 5}],
        [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
        [{"key": "a", "value": "b", "effect": "NoSchedule", "tolerationSeconds": 0}],
    ),
    "volumes": (
        [{"name": "data"}],
        [{"name": "data", "emptyDir": {}}, {"name": "data", "emptyDir": {}}],
        [{"name": "data", "emptyDir": {}, "nfs": {"server": "s", "path": "/x"}}],
        [{"name": "posefleet-cache", "emptyDir": {}}],
        [],
    ),
    "volumeMounts": (
        [{"name": "nothing", "mountPath": "/x"}],
        [{"name": "data", "mountPath": "/x"}, {"name": "data", "mountPath": "/x"}],
        [{"name": "data", "mountPath": "/x"}, {"name": "data", "mountPath": "/x/"}],
        [{"name": "posefleet-cache", "mountPath": "/x"}],
        [{"name": "posefleet-job", "mountPath": "/x"}],
    ),
    "imagePullSecrets": ([{"name": "a"}, {"name": "a"}], [{}], [{"name": ""}]),
}  # fmt: skip


def short() -> dict[str, Any]:
    """Return the shortest manifest of a job in an object store."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "reaching"},
        "spec": {
            "dataset": {"uri": "s3://lab-data/mouse/"},
            "storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}},
            "output": {"uri": "s3://lab-results/reaching/"},
        },
    }


def full() -> dict[str, Any]:
    """Return a manifest that has every part of the pod, and rules for failures."""
    manifest = short()
    manifest["spec"] |= {
        "queue": "lab",
        "activeDeadlineSeconds": 3600,
        "resources": {"gpuModel": "T4", "extendedResources": {"rdma/hca": "1"}},
        "failurePolicy": {"rules": [{"action": "Fail", "exitCodes": [3]}, {"action": "Retry", "reasons": ["Error"]}]},
        "pod": {
            "labels": {"lab": "mice"},
            "annotations": {"lab/note": "any text"},
            "nodeSelector": {"pool": "gpu"},
            "nodeAffinity": [{"key": "zone", "operator": "In", "values": ["a"]}, {"key": "ok", "operator": "Exists"}],
            "tolerations": [
                {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
                {"key": "lab", "value": "mice"},
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
                {"name": "keys", "secret": {"secretName": "keys"}},
                {"name": "files", "configMap": {"name": "files"}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "shared", "nfs": {"server": "nfs.lab", "path": "/export"}},
                {"name": "node", "hostPath": {"path": "/mnt/data"}},
            ],
            "volumeMounts": [
                {"name": "data", "mountPath": "/data", "subPath": "mouse", "readOnly": True},
                {"name": "node", "mountPath": "/node"},
            ],
            "env": [
                {"name": "NCCL_DEBUG", "value": "WARN"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token", "optional": True}}},
                {"name": "FILE", "valueFrom": {"configMapKeyRef": {"name": "files", "key": "a.txt"}}},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            ],
            "imagePullSecrets": [{"name": "registry"}],
            "serviceAccountName": "trainer",
            "runtimeClassName": "nvidia",
        },
    }
    return manifest


def fields_of(schema: Schema, here: Path) -> list[Path]:
    """Return the path of every field of a schema, and one beside it that does not exist. Lists have one item."""
    found: list[Path] = [(*here, "noSuchField")] if "properties" in schema else []
    for name, child in schema.get("properties", {}).items():
        found += [(*here, name), *fields_of(child, (*here, name))]
        if "properties" in child.get("items", {}):
            found += fields_of(child["items"], (*here, name, 0))
    return found


def _in_items(value: Any, here: Path) -> list[Path]:
    """Return the path of every field of a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[Path] = []
    for name, part in parts:
        found += [(*here, name), *_in_items(part, (*here, name))]
    return found


PATHS = fields_of(structural_schema(PoseTrainingJob)["properties"]["spec"], ("spec",))
_PATHS_OF_FULL = _in_items(full()["spec"], ("spec",))


@st.composite
def changes(draw: st.DrawFn, paths: list[Path]) -> Change:
    """Draw a field and a value for it, which often is of a kind that the field can have."""
    path = draw(st.sampled_from(paths))
    name = next(part for part in reversed(path) if isinstance(part, str))
    special = OF_FIELD.get(name, ())
    choice = draw(st.integers(0, 3)) if special else 0
    return path, draw(st.sampled_from(special if choice else ANY_FIELD))


def with_field(manifest: Any, path: Path, value: Any) -> None:
    """Set a field, and make the objects around it where they are missing."""
    node = manifest
    for name, following in pairwise(path):
        node = _part(node, name, [] if isinstance(following, int) else {})
    last = path[-1]
    if value is REMOVED:
        if isinstance(node, list):
            del node[last : last + 1]  # type: ignore[operator, misc]
        else:
            node.pop(last, None)
    elif isinstance(node, list) and last >= len(node):  # type: ignore[operator]
        node.append(deepcopy(value))
    else:
        node[last] = deepcopy(value)


def _part(node: Any, name: str | int, empty: Any) -> Any:
    if isinstance(node, list) and isinstance(name, int):
        while len(node) <= name:
            node.append({})
    elif name not in node:
        node[name] = empty
    if type(node[name]) is not type(empty):
        node[name] = empty
    return node[name]


@st.composite
def changed_manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a manifest that was valid before one to three of its fields were changed."""
    if draw(st.booleans()):
        manifest, paths = short(), PATHS
    else:
        manifest, paths = full(), _PATHS_OF_FULL
    for path, value in draw(st.lists(changes(paths), min_size=1, max_size=3)):
        with_field(manifest, path, value)
    return manifest


def refused_by_pydantic(manifest: dict[str, Any]) -> str:
    """Return the reason why the model refuses a manifest, or an empty text."""
    try:
        parse_job(manifest)
    except InvalidManifest as refusal:
        return str(refusal)
    return ""


def refused_by_api_server(api: client.CustomObjectsApi, manifest: dict[str, Any]) -> str:
    """Return the reason why the API server refuses a manifest, or an empty text."""
    try:
        api.create_namespaced_custom_object(
            GROUP, VERSION, NAMESPACE, PLURAL, manifest, dry_run="All", field_validation="Strict"
        )
    except client.ApiException as error:
        if error.status not in {400, 422}:
            raise
        return str(error.body)
    return ""


def assert_judged_alike(api: client.CustomObjectsApi, manifest: dict[str, Any]) -> bool:
    """Check that the model and the API server both accept a manifest, or both refuse it. Return whether they accept."""
    here, there = refused_by_pydantic(manifest), refused_by_api_server(api, manifest)
    assert bool(here) == bool(there), (
        f"{manifest['spec']}\npydantic: {here or 'accepts'}\nAPI server: {there or 'accepts'}"
    )
    return not here
