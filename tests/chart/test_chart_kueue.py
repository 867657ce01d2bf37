"""What the values of Kueue give to the operator."""

from typing import Any

import pytest
import yaml

from chart.rendering import CHART, only, render

ACCOUNT = "posefleet-operator"
OPERATOR_RULES = yaml.safe_load((CHART / "files" / "operator-rules.yaml").read_text())


def rights(**values: bool) -> list[dict[str, Any]]:
    """What the operator may do in addition."""
    rules: list[dict[str, Any]] = only(render(kueue=values), "ClusterRole", ACCOUNT)["rules"]
    assert rules[: len(OPERATOR_RULES)] == OPERATOR_RULES
    return rules[len(OPERATOR_RULES) :]


def environment(**values: bool) -> dict[str, str]:
    """The operator's settings."""
    (container,) = only(render(kueue=values), "Deployment", ACCOUNT)["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def test_by_default_the_operator_has_no_right_and_no_setting_for_kueue() -> None:
    assert rights() == []
    assert not {"POSEFLEET_QUEUE_POSITION_SECONDS", "POSEFLEET_PRIORITY_BOOST_SECONDS"} & environment().keys()


@pytest.mark.parametrize(
    ("value", "group", "resource", "verbs", "setting"),
    [
        (
            "positions",
            "visibility.kueue.x-k8s.io",
            "localqueues/pendingworkloads",
            ["get"],
            ("POSEFLEET_QUEUE_POSITION_SECONDS", "15"),
        ),
        (
            "priorityBoost",
            "kueue.x-k8s.io",
            "workloads",
            ["list", "patch"],
            ("POSEFLEET_PRIORITY_BOOST_SECONDS", "600"),
        ),
    ],
    ids=["positions", "boost"],
)
def test_each_value_gives_its_right_and_its_setting(
    value: str, group: str, resource: str, verbs: list[str], setting: tuple[str, str]
) -> None:
    assert rights(**{value: True}) == [{"apiGroups": [group], "resources": [resource], "verbs": verbs}]
    assert setting in environment(**{value: True}).items()
