"""What a manifest may say, and how a mistake is reported."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_api.job import InvalidManifest, parse_job
from posefleet_api.values import quantity_bytes

_MANIFEST: dict[str, Any] = {
    "apiVersion": "posefleet.io/v1alpha1",
    "kind": "PoseTrainingJob",
    "metadata": {"name": "reaching"},
    "spec": {
        "dataset": {"uri": "s3://lab-data/mouse/"},
        "storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}},
        "output": {"uri": "s3://lab-results/reaching/"},
    },
}


def manifest_with(path: str, value: Any) -> dict[str, Any]:
    manifest = deepcopy(_MANIFEST)
    *parents, last = path.split(".")
    node = manifest
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return manifest


def refusal(path: str, value: Any) -> str:
    with pytest.raises(InvalidManifest) as refused:
        parse_job(manifest_with(path, value))
    return str(refused.value)


def test_a_short_manifest_gets_a_scientists_defaults():
    spec = parse_job(_MANIFEST).spec
    assert (spec.training.epochs, spec.model.backbone, spec.failure_policy.max_failures) == (300, "resnet50", 3)
    assert spec.losses.on == ("temporal", "pcaSingleView")


@pytest.mark.parametrize(
    ("losses", "on"),
    [
        ({}, ("temporal", "pcaSingleView")),
        ({"temporal": {"weight": 0}}, ("pcaSingleView",)),
        ({"temporal": {"weight": 0}, "pcaSingleView": {"weight": 0}}, ()),
        ({"unimodal": {}}, ("temporal", "pcaSingleView")),
        ({"unimodal": {"weight": 0.5}}, ("temporal", "pcaSingleView", "unimodal")),
        ({"pcaMultiView": {}}, ("temporal", "pcaSingleView")),
        ({"pcaMultiView": {"views": [["a"], ["b"]]}}, ("temporal", "pcaSingleView", "pcaMultiView")),
        ({"pcaMultiView": {"views": [["a"], ["b"]], "weight": 0}}, ("temporal", "pcaSingleView")),
    ],
)
def test_a_loss_is_on_by_its_weight_and_not_by_which_others_are_named(losses, on):
    assert parse_job(manifest_with("spec.losses", losses)).spec.losses.on == on


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.training.epochs", -1, "spec.training.epochs: Input should be greater than or equal to 1"),
        ("spec.training.epoch", 3, "spec.training.epoch: no such field"),
        ("spec.training.epochs", "3", "spec.training.epochs: Input should be a valid integer"),
        ("spec.model.backbone", "resnet99", "spec.model.backbone: Input should be 'resnet10t'"),
        ("spec.dataset.uri", "s3://", "spec.dataset.uri: must be s3://BUCKET/PREFIX/"),
        ("spec.dataset.labels", "../secret.csv", "spec.dataset.labels: must be a path inside the project folder"),
        ("spec.dataset.labels", "/etc/passwd", "spec.dataset.labels: must be a path inside the project folder"),
        ("spec.storage.endpoint", "http://key:secret@minio", "without a path or credentials"),
        ("spec.model.imageSize", {"height": 100, "width": 128}, "multiples of 32"),
        ("spec.dataset.split", {"validationPercent": 50, "testPercent": 50}, "must leave frames to train on"),
        ("spec.losses.pcaMultiView", {"views": [[0, 1], [2]]}, "every view must list the same number"),
        ("metadata.name", "m" * 49, "metadata.name: String should have at most 48 characters"),
        ("metadata.name", "2026-01-15", "metadata.name: must begin with a letter"),
        ("metadata.name", "mouse.2", "write mouse-2026-01-15"),
        ("metadata.name", "mouse-", "metadata.name: must begin with a letter and have only a-z, 0-9 and '-'"),
        ("spec.resources.memoryPerNode", "64 gigs", "must be a size of at least 1M with a unit, such as 64Gi"),
        ("spec.resources.gpuResource", "gpu", "spec.resources.gpuResource: must be the name of an extended resource"),
        ("spec.resources.extendedResources", {"hca": "1"}, "every key must be the name of an extended resource"),
        ("spec.resources.extendedResources", {"rdma/hca": "half"}, "must be a whole number in quotes"),
        ("spec.resources.extendedResources", {"nvidia.com/gpu": "1"}, "leave gpuResource out of extendedResources"),
        ("spec.resources", {"gpuModel": "T4", "gpusPerNode": 0}, "set gpusPerNode to 1 or more, or leave gpuModel out"),
    ],
)
def test_a_mistake_is_told_with_its_field(path, value, message):
    assert message in refusal(path, value)


def test_storage_may_be_left_to_the_cluster():
    manifest = deepcopy(_MANIFEST)
    del manifest["spec"]["storage"]
    job = parse_job(manifest)
    assert job.spec.storage is None
    assert job.spec.needs_store


def test_a_job_in_folders_needs_no_store_unless_it_resumes_from_one():
    manifest = manifest_with("spec.dataset.uri", "file:///data/")
    manifest["spec"]["output"]["uri"] = "file:///out/"
    assert not parse_job(manifest).spec.needs_store
    manifest["spec"]["checkpoint"] = {"resumeFrom": "s3://lab/model.ckpt"}
    assert parse_job(manifest).spec.needs_store


def test_every_mistake_is_told_at_once():
    manifest = manifest_with("spec.training.epochs", 0)
    manifest["spec"]["dataset"]["uri"] = "nowhere"
    with pytest.raises(InvalidManifest) as refused:
        parse_job(manifest)
    assert len(str(refused.value).splitlines()) == 2


def test_a_job_survives_the_way_through_json():
    job = parse_job(_MANIFEST)
    assert parse_job(job.to_dict()) == job


@given(number=st.integers(1, 4096), unit=st.sampled_from(["Mi", "Gi", "Ti"]))
def test_binary_quantities_are_powers_of_two(number, unit):
    power = ["Ki", "Mi", "Gi", "Ti"].index(unit) + 1
    assert quantity_bytes(f"{number}{unit}") == number * 1024**power


@pytest.mark.parametrize(("text", "size"), [("1.5G", 1_500_000_000), ("2M", 2_000_000), ("1.5Gi", 3 * 2**29)])
def test_quantities_are_bytes(text, size):
    assert quantity_bytes(text) == size


def test_a_stores_key_in_the_open_is_refused_without_being_told():
    said = refusal("spec.pod.env", [{"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"}])
    assert "put them into a Secret" in said
    assert "hunter2" not in said
