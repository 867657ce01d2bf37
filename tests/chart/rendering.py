"""The chart as Helm renders it, each set of values once."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from posefleet_lab.tools import binaries

Manifest = dict[str, Any]

CHART = Path(__file__).parents[2] / "charts" / "posefleet"
VALUE_SETS = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
RELEASE, NAMESPACE = "posefleet", "posefleet-system"


def render(**values: Any) -> list[Manifest]:
    """The objects of the chart with these values; no test changes them."""
    return _objects(_helm("template", CHART, json.dumps(values)))


def render_into(namespace: str, **values: Any) -> list[Manifest]:
    """The objects of a release in a namespace of the caller's."""
    return _objects(_helm("template", CHART, json.dumps(values), namespace))


def render_set(name: str) -> list[Manifest]:
    """The objects with a value set of ``ci/``."""
    return _objects(_helm("template", CHART, _values(name)))


def render_anew(name: str) -> list[Manifest]:
    """The objects with a value set of ``ci/``, by another run of Helm."""
    return _parse(_run("template", CHART, _values(name)).stdout)


def refusal(**values: Any) -> str:
    """What Helm says when it does not take the values."""
    result = _run("template", CHART, json.dumps(values))
    assert result.returncode, "Helm took the values"
    return result.stderr


def notes(directory: Path, **values: Any) -> str:
    """What ``helm install`` says in the end, by a copy of the chart: ``helm template`` keeps it to itself."""
    chart = directory / "chart"
    shutil.copytree(CHART, chart)
    said = '{{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}'
    (chart / "templates" / "said.yaml").write_text(f"kind: Notes\nmetadata: {{name: said}}\nsaid: {said}\n")
    return str(only(_objects(_helm("template", chart, json.dumps(values))), "Notes")["said"])


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [found for found in objects if found["kind"] in kinds]


def only(objects: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The one object of a kind whose name ends so."""
    found = [one for one in of_kind(objects, kind) if one["metadata"]["name"].endswith(name)]
    assert len(found) == 1, f"{len(found)} objects of kind {kind} whose name ends with {name!r}"
    return found[0]


def pod_specs(objects: list[Manifest]) -> dict[str, Manifest]:
    """The spec of every pod that the objects make, by the objects' names."""
    specs = {}
    for found in objects:
        spec = found.get("spec", {})
        if found["kind"] == "Pod":
            specs[found["metadata"]["name"]] = spec
        elif "template" in spec:
            specs[found["metadata"]["name"]] = spec["template"]["spec"]
    return specs


def _values(name: str) -> str:
    return (CHART / "ci" / f"{name}.yaml").read_text()


@cache
def _helm(command: str, chart: Path, values: str, namespace: str = NAMESPACE) -> str:
    result = _run(command, chart, values, namespace)
    assert result.returncode == 0, result.stderr
    return result.stdout


def _run(command: str, chart: Path, values: str, namespace: str = NAMESPACE) -> "subprocess.CompletedProcess[str]":
    arguments = [str(binaries.helm()), command, RELEASE, str(chart), "--namespace", namespace, "--values", "-"]
    return subprocess.run(arguments, input=values, capture_output=True, text=True, check=False, timeout=60)


def _objects(text: str) -> list[Manifest]:
    return list(_parsed(text))


@cache
def _parsed(text: str) -> tuple[Manifest, ...]:
    return tuple(_parse(text))


def _parse(text: str) -> list[Manifest]:
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]
