"""``posefleet-lab tool``: where the programs of the checks come from."""

from pathlib import Path

import pytest

from posefleet_lab.main import main
from posefleet_lab.tools import binaries, golang


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What would have been built."""
    asked: list[dict] = []

    def build(module, package, report, variables=None, tags=()):
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


def test_an_unknown_program_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["tool", "kustomize"])
    told = capsys.readouterr().err
    assert all(name in told for name in binaries.TOOLS)
