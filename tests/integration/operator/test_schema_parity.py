"""pydantic and the API server accept and refuse the same manifests.

A null is left out: to the API server it is an absent field.
"""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes import client

from posefleet_api.constants import API_VERSION, GROUP, KIND, PLURAL, VERSION
from posefleet_api.crd import Schema, structural_schema
from posefleet_api.job import InvalidManifest, PoseTrainingJob, parse_job

pytestmark = pytest.mark.cluster

REMOVED = object()
VALUES = (
    REMOVED, True, False, -1, 0, 1, 2, 3, 16, 64, 100, 1000, 10**6, 2**31 - 1, 2**31, -0.5, 0.0, 0.1, 0.5,
    0.99, 1.5,
    "", "a", "none", "imagenet", "auto", "bf16", "resnet18", "heatmap", "Any-Name_1", "lab.queue", "-bad",
    "1Gi", "1.5Gi", "1 Gi", "1.5",
    "s3://", "s3://ab/x", "s3://lab-data/mouse/", "s3://lab-data/mouse?x", "s3://lab/a\nb",
    "file:///data/", "file://data", "videos/*.mp4", "../x", "/x", "a/../b", "a//b", ".hidden",
    "http://minio:9000", "https://minio.example/", "ftp://minio", "http://user:pass@minio",
    "http://minio/path", "é", "x" * 300,
    [], {}, ["a"], [1], [["a", "b"], [0, 1]], [["a"]], [["a", "b"], ["c"]], [[]], [{"name": "x"}],
    [{"name": ""}],
    [{"name": "x", "value": "1", "extra": 1}], {"weight": 1}, {"weight": 0}, {"views": [["a"], ["b"]]},
    {"views": [["a"], ["b", "c"]]}, {"views": [["a"]]}, {"height": 128, "width": 128}, {"height": 100},
    {"validation": 0.5, "test": 0.5}, {"validation": 0.6, "test": 0.3}, {"key": "text"}, {"key": 1},
    "nvidia.com/mig-1g.10gb", {"rdma/hca": "1"}, {"rdma/hca": 1}, {"rdma/hca": "half"}, {"hca": "1"},
    {"nvidia.com/gpu": "1"}, {"gpuModel": "T4", "gpusPerNode": 0}, {f"lab/{n}": "1" for n in range(9)},
)  # fmt: skip


def base() -> dict[str, Any]:
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


def paths(schema: Schema, here: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Every field of a schema, and one that does not exist beside it."""
    found = [(*here, "noSuchField")] if "properties" in schema else []
    for name, child in schema.get("properties", {}).items():
        found += [(*here, name), *paths(child, (*here, name))]
    return found


PATHS = paths(structural_schema(PoseTrainingJob)["properties"]["spec"], ("spec",))


def with_field(manifest: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    node = manifest
    for name in path[:-1]:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            child = node[name] = {}
        node = child
    if value is REMOVED:
        node.pop(path[-1], None)
    else:
        node[path[-1]] = deepcopy(value)


def refused_by_pydantic(manifest: dict[str, Any]) -> str:
    try:
        parse_job(manifest)
    except InvalidManifest as refusal:
        return str(refusal)
    return ""


def refused_by_api_server(api: client.CustomObjectsApi, manifest: dict[str, Any]) -> str:
    try:
        api.create_namespaced_custom_object(
            GROUP, VERSION, "default", PLURAL, manifest, dry_run="All", field_validation="Strict"
        )
    except client.ApiException as error:
        if error.status not in {400, 422}:
            raise
        return str(error.body)
    return ""


def check(api: client.CustomObjectsApi, manifest: dict[str, Any]) -> None:
    here, there = refused_by_pydantic(manifest), refused_by_api_server(api, manifest)
    assert bool(here) == bool(there), (
        f"{manifest['spec']}\npydantic: {here or 'accepts'}\nAPI server: {there or 'accepts'}"
    )


@pytest.fixture(scope="module")
def api(theatre_client: client.ApiClient) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(theatre_client)


@settings(max_examples=600, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(VALUES)), min_size=1, max_size=2))
def test_any_change_of_a_manifest_is_judged_alike(
    api: client.CustomObjectsApi, changes: list[tuple[tuple[str, ...], Any]]
) -> None:
    manifest = base()
    for path, value in changes:
        with_field(manifest, path, value)
    check(api, manifest)


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_every_field_is_judged_alike_for_a_value_of_each_kind(
    api: client.CustomObjectsApi, path: tuple[str, ...]
) -> None:
    for value in (REMOVED, True, -1, 1, 2.0, 0.5, "", "a", "s3://lab/x/", [], ["a"], {}):
        manifest = base()
        with_field(manifest, path, value)
        check(api, manifest)


@pytest.mark.parametrize(
    "name", ["a", "a" * 48, "a" * 49, "a-1", "a1", "a--1", "1a", "2026-01-15", "mouse.1", "a-", "-a", "A", "a_1", "é"]
)
def test_names_are_judged_alike(api: client.CustomObjectsApi, name: str) -> None:
    manifest = base()
    manifest["metadata"]["name"] = name
    check(api, manifest)


def test_a_name_that_begins_with_a_date_is_refused_with_one_to_write(api: client.CustomObjectsApi) -> None:
    manifest = base()
    manifest["metadata"]["name"] = "2026-01-15"
    assert "write mouse-2026-01-15" in refused_by_api_server(api, manifest)


@pytest.mark.parametrize(
    "resources",
    [
        {"gpuModel": "T4"},
        {"gpuModel": "T4", "gpusPerNode": 0},
        {"gpuModel": "", "gpusPerNode": 0},
        {"gpuResource": "nvidia.com/mig-1g.10gb", "extendedResources": {"nvidia.com/gpu": "1"}},
        {"gpuResource": "rdma/hca", "extendedResources": {"rdma/hca": "1"}},
        {"extendedResources": {"nvidia.com/gpu": "1"}},
        {"extendedResources": {"/hca": "1"}},
        {"extendedResources": {"": "1"}},
        {"extendedResources": {"rdma/hca": "0"}},
        {"gpuResource": "gpu"},
    ],
    ids=str,
)
def test_what_resources_say_together_is_judged_alike(api: client.CustomObjectsApi, resources: dict[str, Any]) -> None:
    manifest = base()
    manifest["spec"]["resources"] = resources
    check(api, manifest)


@pytest.mark.parametrize(
    "variable",
    [
        {"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"},
        {"name": "AWS_SESSION_TOKEN", "value": "hunter2"},
        {"name": "AWS_ACCESS_KEY_ID", "value": ""},
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "id"}}},
        {"name": "AWS_REGION", "value": "eu-central-1"},
    ],
    ids=str,
)
def test_keys_in_the_open_are_judged_alike(api: client.CustomObjectsApi, variable: dict[str, Any]) -> None:
    manifest = base()
    manifest["spec"]["pod"] = {"env": [variable]}
    check(api, manifest)
    assert "hunter2" not in refused_by_api_server(api, manifest) + refused_by_pydantic(manifest)
