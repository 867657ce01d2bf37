"""What ``helm test`` runs, with the rights that the chart gives it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from integration.operator.stage import COMPLETED, OperatorProcess, Stage

pytestmark = pytest.mark.cluster

RULES = Path(__file__).parents[3] / "charts" / "posefleet" / "files" / "trial-rules.yaml"

Trial = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def trial(stage: Stage, tmp_path: Path) -> Trial:
    """Run it on a job whose trainers act by a script."""
    rbac = client.RbacAuthorizationV1Api(stage.api)
    stage.core.create_namespaced_service_account(stage.namespace, {"metadata": {"name": "trial"}})
    role = {"metadata": {"name": "trial"}, "rules": yaml.safe_load(RULES.read_text())}
    rbac.create_namespaced_role(stage.namespace, role)
    binding = {
        "metadata": {"name": "trial"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "trial"},
        "subjects": [{"kind": "ServiceAccount", "name": "trial", "namespace": stage.namespace}],
    }
    rbac.create_namespaced_role_binding(stage.namespace, binding)
    kubeconfig = stage.cluster.service_account_kubeconfig(stage.namespace, "trial", tmp_path / "trial.kubeconfig")

    def run(act: dict[str, object], seconds: float = 60, **spec: object) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "job.yaml"
        file.write_text(yaml.safe_dump(stage.manifest("first", act, **spec)))
        command = [sys.executable, "-m", "posefleet_operator.trial", str(file), "--kubeconfig", str(kubeconfig)]
        return subprocess.run(
            [*command, "--seconds", str(seconds)], capture_output=True, text=True, check=False, timeout=120
        )

    return run


def test_a_job_that_succeeds_passes_and_leaves_nothing(stage: Stage, operator: OperatorProcess, trial: Trial) -> None:
    operator.wait_until_leading()
    done = trial({"1": COMPLETED})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("Succeeded")
    assert not stage.kubectl("get", "ptj", "-o", "name")


def test_a_job_left_by_an_earlier_test_is_replaced(stage: Stage, operator: OperatorProcess, trial: Trial) -> None:
    operator.wait_until_leading()
    stage.apply("first", {"prepare": {"exit": 78, "message": {"reason": "InvalidInput", "message": "old"}}})
    stage.wait_for_phase("first", "Failed")
    assert trial({"1": COMPLETED}).returncode == 0


def test_a_job_that_fails_is_told_with_its_reason(stage: Stage, operator: OperatorProcess, trial: Trial) -> None:
    operator.wait_until_leading()
    done = trial({"prepare": {"exit": 78, "message": {"reason": "InvalidInput", "message": "labels row 3 is empty"}}})
    assert done.returncode == 1
    assert "InvalidInput" in done.stderr
    assert "labels row 3 is empty" in done.stderr
    assert not stage.kubectl("get", "ptj", "-o", "name")


def test_without_an_operator_it_says_what_to_look_at(trial: Trial) -> None:
    done = trial({}, seconds=1)
    assert done.returncode == 1
    assert "does the operator run" in done.stderr


def test_a_manifest_that_the_api_server_refuses_is_told(trial: Trial) -> None:
    done = trial({}, resources={"nodes": 0})
    assert done.returncode == 1
    assert "spec.resources.nodes" in done.stderr
