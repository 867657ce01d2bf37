"""The commands of ``posefleet-lab``."""

import sys
from pathlib import Path

import pytest

from posefleet_lab.errors import LabError
from posefleet_lab.main import main, parse_images
from posefleet_lab.tools import binaries, golang


def test_commands_say_when_there_is_no_cluster(tmp_path, capsys):
    assert main(["env", "--directory", str(tmp_path)]) == 1
    assert "is not up; start it with" in capsys.readouterr().err
    assert main(["down", "--directory", str(tmp_path)]) == 0


def test_images_are_given_by_name_and_directory():
    assert parse_images([f"trainer:lab={sys.prefix}"]) == {"trainer:lab": Path(sys.prefix)}
    with pytest.raises(LabError, match="expected NAME=VENV"):
        parse_images(["trainer:lab"])


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """The arguments of each build, none of which takes place."""
    asked: list[dict] = []

    def build(module, package, report, variables=None, tags=(), edit=None):
        asked.append({"module": module, "variables": dict(variables or {}), "tags": list(tags)})
        return Path("/built") / module

    monkeypatch.setattr(golang, "build", build)
    return asked


def a_promtool(directory: Path, version: str) -> Path:
    program = directory / "promtool"
    program.write_text(f"#!/bin/sh\necho 'promtool, version {version}+ds (branch: x)'\n")
    program.chmod(0o755)
    return program


def test_a_promtool_of_the_system_is_taken(tmp_path, monkeypatch, builds, capsys):
    program = a_promtool(tmp_path, "2.42.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["tool", "promtool"]) == 0
    assert capsys.readouterr().out == f"{program}\n"
    assert not builds


@pytest.mark.parametrize("version", ["2.37.1", "unknown"])
def test_a_promtool_that_is_too_old_is_not_taken(tmp_path, monkeypatch, builds, capsys, version):
    a_promtool(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["tool", "promtool"]) == 0
    assert capsys.readouterr().out == "/built/promtool\n"
    assert builds[0]["tags"] == ["remove_all_sd"]


def test_helm_takes_its_clients_kubernetes_for_the_clusters(builds, capsys):
    assert main(["tool", "helm"]) == 0
    assert capsys.readouterr().out == "/built/helm\n"
    minor = golang.required_version("helm", "k8s.io/client-go").split(".")[1]
    linked = builds[0]["variables"]
    assert linked["helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor"] == minor
    assert linked["helm.sh/helm/v3/internal/version.version"].startswith("v3.")


def test_kueue_is_built_in_the_pinned_version(builds, capsys):
    assert main(["tool", "kueue"]) == 0
    assert capsys.readouterr().out == "/built/kueue\n"
    version = golang.required_version("kueue", "sigs.k8s.io/kueue")
    assert builds[0]["variables"]["sigs.k8s.io/kueue/pkg/version.GitVersion"] == version == "v0.17.0"


def test_an_unknown_program_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["tool", "kustomize"])
    error = capsys.readouterr().err
    assert all(name in error for name in binaries.TOOLS)
