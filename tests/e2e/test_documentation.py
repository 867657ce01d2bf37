"""Runs the commands of the documentation, word for word, on a cluster without posefleet."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from posefleet_lab.cluster import Cluster
from posefleet_lab.tools import binaries, wheels
from posefleet_synthesis.main import main as synthesize
from support import stand_in_trainer
from support.commands import script, shell_blocks
from support.images import built

pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).parents[2]
SYSTEM, LAB = "posefleet", "reaching-lab"
DATA, RESULTS = "handbook-data", "handbook-results"
AWS_CLI = "awscli==1.45.11"
#: Default resources of trainer pods that fit a node with two CPUs.
RESOURCES = {"gpusPerNode": 0, "cpusPerNode": 1, "memoryPerNode": "4Gi", "cachePerNode": "2Gi"}

Kubectl = Callable[..., str]


@dataclass(frozen=True)
class Reader:
    """A shell in posefleet's sources, with the programs that the pages require and values that differ between labs."""

    directory: Path
    environment: dict[str, str]

    def follow(self, page: str) -> str:
        """Run the commands of a page in one session and return their output."""
        commands = self.directory / f"{page}.sh"
        commands.write_text(script(shell_blocks((ROOT / "docs" / page).read_text()), page))
        with (self.directory / f"{page}.txt").open("w+") as output:
            ended = subprocess.run(
                ["bash", str(commands)],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            printed = output.read()
        assert ended.returncode == 0, f"{printed[-6000:]}\n{self._state()}"
        return printed

    def _state(self) -> str:
        """Describe jobs and pods, with their logs, for the message of a failed test."""
        commands = [
            f"kubectl --namespace {LAB} describe ptj",
            f"kubectl --namespace {LAB} get pods",
            f"for pod in $(kubectl --namespace {LAB} get pods --output name); do"
            f" kubectl --namespace {LAB} logs $pod --all-containers --prefix --tail=30 --ignore-errors; done",
            f"kubectl --namespace {SYSTEM} logs deployment/posefleet-operator --tail=30",
        ]
        answer = subprocess.run(
            ["bash", "-c", "\n".join(commands)], env=self.environment, capture_output=True, text=True, check=False
        )
        return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def reader(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    directory = tmp_path_factory.mktemp("reader")
    (directory / "charts").symlink_to(ROOT / "charts")
    (directory / "kubeconfig").write_bytes(cluster.kubeconfig.read_bytes())
    assert synthesize([str(directory / "mirror-mouse"), "--frames", "120"]) == 0
    shutil.rmtree(directory / "mirror-mouse" / "truth")
    environment = {
        "PATH": f"{programs(cluster, directory)}:{os.environ['PATH']}",
        "HOME": str(directory),
        "KUBECONFIG": str(directory / "kubeconfig"),
        "REGISTRY": "localhost",
        "LAB": LAB,
        "STORE_ENDPOINT": "http://minio.minio:9000",
        "AWS_ENDPOINT_URL": cluster.store.endpoint,
        "AWS_ACCESS_KEY_ID": cluster.store.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": cluster.store.credentials.secret_key,
        "DATA_BUCKET": DATA,
        "RESULTS_BUCKET": RESULTS,
        "PROJECT": str(directory / "mirror-mouse"),
    }
    return Reader(directory, environment)


def programs(cluster: Cluster, directory: Path) -> Path:
    """A folder with kubectl, the AWS CLI, and a helm that adds the values for the trainer's stand-in."""
    operator = built("operator").name
    cluster.container_node.load_image(operator)
    stand_in_trainer.load(cluster, directory)
    values, volume = directory / "stand-in.json", directory / "volume.yaml"
    values.write_text(json.dumps(stand_in_values(operator.rsplit(":", 1)[1])))
    volume.write_text(yaml.safe_dump_all(stand_in_trainer.volume(LAB)))
    aws = wheels.install(AWS_CLI, print)
    kubectl, helm = (shlex.quote(str(program)) for program in (binaries.kubectl(print), binaries.helm(print)))
    helm_with_values = (
        f'if [ "$1" != upgrade ]; then exec {helm} "$@"; fi\n'
        f'{helm} "$@" --values {shlex.quote(str(values))}\n'
        f"{kubectl} apply --filename {shlex.quote(str(volume))}\n"
    )
    scripts = {
        "kubectl": f'exec {kubectl} "$@"\n',
        # The script's own first line names the Python that filled the cache, which may be gone.
        "aws": f"PYTHONPATH={shlex.quote(str(aws))} exec {shlex.quote(sys.executable)} "
        f'{shlex.quote(str(aws / "bin" / "aws"))} "$@"\n',
        "helm": helm_with_values,
        "posefleet": f'exec {shlex.quote(sys.executable)} -m posefleet_cli.main "$@"\n',
    }
    folder = directory / "bin"
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\nset -eu\n{text}")
        (folder / name).chmod(0o755)
    return folder


def stand_in_values(operator_tag: str) -> dict[str, Any]:
    """Values in addition to the reader's own."""
    return {
        "image": {"tag": operator_tag},
        "trainer": {
            "image": {"tag": stand_in_trainer.TAG},
            "resources": RESOURCES,
            "pod": stand_in_trainer.pod_template(),
        },
    }


@pytest.fixture(scope="module")
def installed(reader: Reader, kubectl: Kubectl) -> Iterator[str]:
    """The output of the commands of install.md. Afterwards everything but the CRD is removed."""
    try:
        yield reader.follow("install.md")
    finally:
        subprocess.run(
            ["helm", "uninstall", "posefleet", "--namespace", SYSTEM, "--wait", "--ignore-not-found"],
            env=reader.environment,
            check=True,
            executable=reader.directory / "bin" / "helm",
        )
        kubectl("delete", "namespace", SYSTEM, LAB, "--ignore-not-found")
        kubectl("delete", "persistentvolume", f"{stand_in_trainer.CLAIM}-{LAB}", "--ignore-not-found")


@pytest.fixture
def status_of(kube: client.ApiClient) -> Callable[[str], dict[str, Any]]:
    jobs = client.CustomObjectsApi(kube)
    address = ("posefleet.io", "v1alpha1", LAB, "posetrainingjobs")
    return lambda name: dict(jobs.get_namespaced_custom_object(*address, name)["status"])


def test_install_ends_with_a_trained_model(
    installed: str, reader: Reader, status_of: Callable[[str], dict[str, Any]]
) -> None:
    assert status_of("first")["phase"] == "Succeeded"
    assert "Phase:          Succeeded" in installed  # the namespace of helm test
    assert "<html" in (reader.directory / "first-report.html").read_text()
    assert reader.environment["AWS_SECRET_ACCESS_KEY"] not in installed


def test_a_scientist_gets_results_goes_on_after_a_pause_and_understands_a_failure(
    installed: str, reader: Reader, status_of: Callable[[str], dict[str, Any]]
) -> None:
    del installed
    printed = reader.follow("scientist.md")
    pilot = status_of("pilot")
    assert pilot["phase"] == "Succeeded"
    assert [attempt["reason"] for attempt in pilot["attempts"]] == ["Suspended", "Completed"]
    assert pilot["attempts"][1]["startStep"] > 0
    results = reader.directory / "pilot-results"
    assert (results / "report" / "index.html").exists()
    assert list((results / "labelled_videos").glob("*.mp4"))
    assert "Collected.csv" in next(line for line in printed.splitlines() if line.startswith("InvalidInput:"))
    assert reader.environment["AWS_SECRET_ACCESS_KEY"] not in printed
