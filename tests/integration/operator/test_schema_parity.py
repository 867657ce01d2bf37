"""pydantic and the API server accept and refuse the same manifests.

A null is left out: to the API server it is an absent field.
"""

from typing import Any

import pytest
from kubernetes import client

from integration.operator.changed_manifests import (
    PATHS,
    REMOVED,
    Path,
    assert_judged_alike,
    refused_by_api_server,
    refused_by_pydantic,
    short,
    with_field,
)

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def api(theatre_client: client.ApiClient) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(theatre_client)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_every_field_is_judged_alike_for_a_value_of_each_kind(api: client.CustomObjectsApi, path: Path) -> None:
    for value in (REMOVED, True, -1, 1, 2.0, 0.5, "", "a", "s3://lab/x/", [], ["a"], {}, [{}]):
        manifest = short()
        with_field(manifest, path, value)
        assert_judged_alike(api, manifest)


@pytest.mark.parametrize(
    "name", ["a", "a" * 48, "a" * 49, "a-1", "a1", "a--1", "1a", "2026-01-15", "mouse.1", "a-", "-a", "A", "a_1", "é"]
)
def test_names_are_judged_alike(api: client.CustomObjectsApi, name: str) -> None:
    manifest = short()
    manifest["metadata"]["name"] = name
    assert_judged_alike(api, manifest)


def test_a_name_that_begins_with_a_date_is_refused_with_one_to_write(api: client.CustomObjectsApi) -> None:
    manifest = short()
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
    manifest = short()
    manifest["spec"]["resources"] = resources
    assert_judged_alike(api, manifest)


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
    manifest = short()
    manifest["spec"]["pod"] = {"env": [variable]}
    assert_judged_alike(api, manifest)
    assert "hunter2" not in refused_by_api_server(api, manifest) + refused_by_pydantic(manifest)
