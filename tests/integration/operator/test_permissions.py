"""The operator with exactly the rights of ``operator/rbac.yaml``."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from integration.operator.stage import COMPLETED, OperatorProcess, Stage

pytestmark = pytest.mark.cluster

RBAC = Path(__file__).parents[3] / "operator" / "rbac.yaml"


@pytest.fixture
def account(stage: Stage, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of the operator's service account; the rights are gone after the test."""
    stage.kubectl("apply", "-f", str(RBAC), "-n", "posefleet")
    path = tmp_path / "operator.kubeconfig"
    yield stage.cluster.service_account_kubeconfig("posefleet", "posefleet-operator", path)
    stage.kubectl("delete", "-f", str(RBAC), "-n", "posefleet")


@pytest.mark.parametrize("everywhere", [False, True], ids=["one namespace", "all namespaces"])
def test_the_granted_rights_are_enough(
    stage: Stage, account: Path, start_operator: Callable[..., OperatorProcess], everywhere: bool
) -> None:
    namespaces = {"namespaces": ""} if everywhere else {}
    operator = start_operator(kubeconfig=str(account), lease_namespace="posefleet", **namespaces)
    crash = {"exit": 1, "after": 0.5}
    acts = {"1": crash, "2": crash, "3": crash, "4": COMPLETED}
    stage.apply("reaching", acts, failurePolicy={"maxAttempts": 9, "backoffSeconds": 0}, ttlSecondsAfterFinished=3600)
    stage.wait_for_phase("reaching", "Succeeded")
    stage.patch("reaching", ttlSecondsAfterFinished=0)
    stage.wait_until_gone("reaching")

    told = operator.log.read_text()
    assert "403" not in told
    assert "forbidden" not in told.lower()


def test_no_rule_has_a_wildcard_or_reads_secrets() -> None:
    for manifest in yaml.safe_load_all(RBAC.read_text()):
        for rule in manifest.get("rules", ()):
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert "secrets" not in rule["resources"]
