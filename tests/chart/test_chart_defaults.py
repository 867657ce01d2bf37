"""The defaults of trainer pods, read by the operator's own model."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, VALUE_SETS, Manifest, only, render, render_set
from posefleet_api.dataset import Storage
from posefleet_api.pod import PodOptions
from posefleet_api.resources import Resources
from posefleet_operator.trainer_defaults import TrainerDefaults, read_defaults

SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/path": "/metrics", "prometheus.io/port": "9400"}


def _read(objects: list[Manifest], directory: Path) -> TrainerDefaults:
    file = directory / "trainer-defaults.yaml"
    file.write_text(only(objects, "ConfigMap", "-trainer-defaults")["data"][file.name])
    return read_defaults(file)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_the_operator_reads_what_every_value_set_says_of_trainers(name: str, tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "ci" / f"{name}.yaml").read_text()) or {}
    trainer, scrape = values.get("trainer", {}), values.get("monitoring", {}).get("scrape", "annotations")
    defaults = _read(render_set(name), tmp_path)

    template = trainer.get("pod", {})
    scraped = SCRAPED if scrape == "annotations" else {}
    wanted = {**template, "annotations": {**scraped, **template.get("annotations", {})}}
    assert defaults.pod == PodOptions.model_validate(wanted)
    assert defaults.resources == Resources.model_validate(trainer.get("resources", {}))
    assert defaults.gpu_model_label == trainer.get("gpuModelLabel", "nvidia.com/gpu.product")
    if "storage" in trainer:
        assert defaults.storage == Storage.model_validate(trainer["storage"])
    else:
        assert (defaults.storage is not None) == values.get("trialStore", {}).get("enabled", False)


def test_what_values_say_is_what_the_operator_reads(tmp_path: Path) -> None:
    trainer: dict[str, Any] = {
        "storage": {
            "endpoint": "https://s3.lab",
            "credentialsSecretRef": {"name": "lab-s3"},
            "caSecretRef": {"name": "lab-ca"},
            "region": "eu",
        },
        "resources": {"nodes": 2, "gpuResource": "amd.com/gpu", "extendedResources": {"rdma/hca": "1"}},
        "pod": {
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "env": [{"name": "NCCL_SOCKET_IFNAME", "value": "eth0"}],
        },
        "gpuModelLabel": "amd.com/gpu.product-name",
    }
    wanted = {**trainer, "pod": {**trainer["pod"], "annotations": SCRAPED}}
    assert _read(render(trainer=trainer), tmp_path) == TrainerDefaults.model_validate(wanted)


def test_trainers_are_annotated_for_scraping_only_where_prometheus_goes_by_annotations(tmp_path: Path) -> None:
    assert _read(render(), tmp_path).pod.annotations == SCRAPED
    for scrape in ("monitors", "none"):
        assert _read(render(monitoring={"scrape": scrape}), tmp_path).pod.annotations == {}


def test_a_labs_own_annotation_wins_over_the_charts(tmp_path: Path) -> None:
    mine = {"prometheus.io/scrape": "false", "lab": "mice"}
    objects = render(trainer={"pod": {"annotations": mine}})
    assert _read(objects, tmp_path).pod.annotations == {**SCRAPED, **mine}


def test_jobs_find_the_trial_store(tmp_path: Path) -> None:
    objects = render_set("trial")
    storage = _read(objects, tmp_path).storage
    service, secrets = only(objects, "Service", "-store"), [one for one in objects if one["kind"] == "Secret"]
    assert storage is not None
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    assert storage.endpoint == f"http://{name}.{namespace}:{service['spec']['ports'][0]['port']}"
    assert storage.credentials_secret_ref is not None
    assert {secret["metadata"]["name"] for secret in secrets} == {storage.credentials_secret_ref.name}
    assert {secret["metadata"]["namespace"] for secret in secrets} == {namespace, "trial"}
    assert len({(secret["data"]["AWS_SECRET_ACCESS_KEY"]) for secret in secrets}) == 1


def test_without_values_no_default_is_made_up(tmp_path: Path) -> None:
    defaults = _read(render(monitoring={"scrape": "none"}), tmp_path)
    assert defaults == TrainerDefaults()
    assert yaml.safe_load(only(render(), "ConfigMap", "-trainer-defaults")["data"]["trainer-defaults.yaml"]).keys() == {
        "allowHostPath",
        "gpuModelLabel",
        "pod",
    }
