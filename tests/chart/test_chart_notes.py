"""What ``helm install`` says in the end."""

from pathlib import Path

import yaml

from chart.rendering import NAMESPACE, RELEASE, notes
from posefleet_api.job import parse_job


def _first_job(said: str) -> dict[str, object]:
    manifest = yaml.safe_load(said.partition("<<EOF\n")[2].partition("\n  EOF")[0].replace("BUCKET", "lab-data"))
    assert isinstance(manifest, dict)
    return manifest


def test_the_commands_are_for_the_namespaces_chosen(tmp_path: Path) -> None:
    said = notes(tmp_path, watchNamespaces=["mice", "flies"])
    assert "serves mice, flies" in said
    assert f"kubectl -n {NAMESPACE} rollout status deployment/posefleet-operator" in said
    assert f"kubectl -n {NAMESPACE} get lease posefleet-operator" in said
    assert "kubectl -n mice create secret generic lab-s3" in said
    assert "kubectl -n mice get ptj -w" in said


def test_the_first_job_is_one_that_the_api_takes(tmp_path: Path) -> None:
    job = parse_job(_first_job(notes(tmp_path, watchNamespaces=["mice"])))
    assert job.metadata.namespace == "mice"
    assert job.spec.storage is not None


def test_a_job_names_no_store_where_the_cluster_has_one(tmp_path: Path) -> None:
    said = notes(
        tmp_path, trainer={"storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "robot"}}}
    )
    assert "create secret generic robot" in said
    assert "storage" not in str(_first_job(said))


def test_helm_test_is_named_only_where_there_is_one(tmp_path: Path) -> None:
    command = f"helm -n {NAMESPACE} test {RELEASE}"
    test = {"namespace": "mice", "uri": "s3://lab/test/", "storage": {"endpoint": "http://minio:9000"}}
    assert command not in notes(tmp_path / "without")
    assert command in notes(tmp_path / "with", test=test)
