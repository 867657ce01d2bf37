"""The operator's Deployment, and the settings that the operator reads from it."""

from typing import Any

import pytest

from chart.rendering import CHART, NAMESPACE, Manifest, of_kind, only, pod_specs, render, render_set
from posefleet_operator.settings import Settings, parse_settings

DIGEST = "sha256:" + "ab" * 32


def _template(**values: Any) -> Manifest:
    return only(render(**values), "Deployment")["spec"]["template"]


def _container(**values: Any) -> Manifest:
    return _template(**values)["spec"]["containers"][0]


def _settings(**values: Any) -> Settings:
    """What the operator makes of the environment of its container, its file of defaults left out."""
    environment = {variable["name"]: variable["value"] for variable in _container(**values)["env"]}
    assert environment.pop("POSEFLEET_TRAINER_DEFAULTS") == "/etc/posefleet/trainer-defaults.yaml"
    assert environment.keys() <= {f"POSEFLEET_{name.upper()}" for name in Settings.__dataclass_fields__}
    return parse_settings([], environment)


def test_the_operator_understands_its_environment() -> None:
    settings = _settings(
        imageRegistry="registry.lab",
        watchNamespaces=["mice", "flies"],
        trainer={"runAsUser": 1000, "image": {"tag": "2", "pullPolicy": "Always"}},
        log={"level": "DEBUG", "format": "text"},
    )
    assert settings.trainer_image == "registry.lab/posefleet-trainer:2"
    assert settings.image_pull_policy == "Always"
    assert settings.run_as_user == 1000
    assert settings.namespaces == ("mice", "flies")
    assert settings.lease_namespace == NAMESPACE
    assert settings.lease_name == "posefleet-operator"
    assert (settings.log_level, settings.log_format) == ("DEBUG", "text")


def test_users_of_a_directory_service_have_large_numbers() -> None:
    assert _settings(trainer={"runAsUser": 1_000_660_000}).run_as_user == 1_000_660_000


def test_without_namespaces_the_operator_serves_all() -> None:
    assert _settings().namespaces == ()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({}, "posefleet-operator:0.1.0"),
        ({"tag": "1.2.3"}, "posefleet-operator:1.2.3"),
        ({"tag": "1.2.3", "digest": DIGEST}, f"posefleet-operator@{DIGEST}"),
        ({"repository": "quiet/operator"}, "quiet/operator:0.1.0"),
    ],
)
def test_an_image_is_named_by_tag_or_digest(image: dict[str, str], name: str) -> None:
    assert _container(image=image)["image"] == name
    assert _container(image=image, imageRegistry="registry.lab/")["image"] == f"registry.lab/{name}"


def test_other_defaults_restart_the_operator_and_equal_ones_do_not() -> None:
    def checksum(**values: Any) -> str:
        return str(_template(**values)["metadata"]["annotations"]["checksum/trainer-defaults"])

    assert checksum() == checksum(podAnnotations={"a": "b"})
    assert checksum() != checksum(trainer={"resources": {"nodes": 2}})


def test_probes_ask_where_the_operator_answers() -> None:
    container = _container()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": Settings.http_port}
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "metrics"},
        "liveness": {"path": "/healthz", "port": "metrics"},
        "readiness": {"path": "/readyz", "port": "metrics"},
    }


def test_the_selector_finds_the_pod_and_nothing_that_changes_with_the_version_is_in_it() -> None:
    deployment = only(render(commonLabels={"lab": "mice"}), "Deployment")
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert selector.keys() == {f"app.kubernetes.io/{part}" for part in ("name", "instance", "component")}


def test_one_operator_gets_no_disruption_budget_and_two_get_one_that_lets_nodes_drain() -> None:
    assert of_kind(render(), "PodDisruptionBudget") == []
    budget = only(render(replicas=2), "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == only(render(replicas=2), "Deployment")["spec"]["selector"]


def test_a_standby_is_not_stopped_with_the_leader_at_an_upgrade() -> None:
    strategies = {count: only(render(replicas=count), "Deployment")["spec"]["strategy"] for count in (1, 2)}
    assert strategies == {
        1: {"type": "Recreate"},
        2: {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
    }


def test_an_image_of_a_private_registry_is_pulled_with_its_secret() -> None:
    assert _template(imagePullSecrets=["mirror"])["spec"]["imagePullSecrets"] == [{"name": "mirror"}]
    assert "imagePullSecrets" not in _template()["spec"]


def test_only_pods_that_use_the_api_carry_a_token() -> None:
    objects = render_set("trial")
    accounts = {account["metadata"]["name"]: account for account in of_kind(objects, "ServiceAccount")}
    carrying = set()
    for name, spec in pod_specs(objects).items():
        account = accounts.get(spec.get("serviceAccountName", ""), {})
        if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
            carrying.add(name)
    assert carrying == {"posefleet-operator", "posefleet-test"}
    assert "posefleet-store" in pod_specs(objects)


def test_the_chart_is_of_the_projects_version() -> None:
    project = (CHART.parents[1] / "pyproject.toml").read_text()
    chart = (CHART / "Chart.yaml").read_text()
    version = next(line for line in project.splitlines() if line.startswith("version = ")).split('"')[1]
    assert f"appVersion: {version}" in chart.replace('"', "")
