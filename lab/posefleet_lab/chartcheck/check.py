"""Lints and renders a chart with each of its sets of values, and validates every object with the schema of its kind."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import LabError
from ..tools import binaries
from ..tools.build_once import Report, quiet
from . import schemas

_RELEASE = ("checked", "--namespace", "checks")


@dataclass
class Finding:
    """The result for one set of values of the chart, or for one file of manifests."""

    name: str
    objects: int = 0
    problems: list[str] = field(default_factory=list)


class ChartChecker:
    """Runs helm and kubeconform with the schemas of Kubernetes, of the Prometheus Operator and of given definitions."""

    def __init__(self, definitions: Sequence[Path], directory: Path, report: Report = quiet) -> None:
        """Write the schemas of the CustomResourceDefinitions in ``definitions`` into the empty ``directory``."""
        self._helm, self._kubeconform = binaries.helm(report), binaries.kubeconform(report)
        self._published = schemas.published_schemas(report)
        self._custom, self._rendered = directory / "schemas", directory / "rendered"
        for made in (self._custom, self._rendered):
            made.mkdir()
        schemas.custom_schemas(list(definitions), self._custom, report)

    def chart(self, chart: Path) -> list[Finding]:
        """Check the chart with its defaults and with each file of its folder ``ci/``."""
        findings = []
        for values in (None, *sorted((chart / "ci").glob("*.yaml"))):
            finding = Finding(values.stem if values else "defaults")
            given = ["--values", str(values)] if values else []
            _, finding.problems = self._run_helm("lint", "--strict", "--quiet", str(chart), *given)
            rendered, problems = self._run_helm("template", *_RELEASE, str(chart), *given, *self._capabilities())
            finding.problems += [problem for problem in problems if problem not in finding.problems]
            (self._rendered / f"{finding.name}.yaml").write_text(rendered)
            findings.append(finding)
        self._conform([self._rendered / f"{finding.name}.yaml" for finding in findings], findings)
        return findings

    def manifests(self, files: Sequence[Path]) -> list[Finding]:
        """Check files of manifests."""
        findings = [Finding(path.name) for path in files]
        self._conform(files, findings)
        return findings

    def _capabilities(self) -> list[str]:
        return ["--kube-version", schemas.kubernetes_version()]

    def _run_helm(self, *arguments: str) -> tuple[str, list[str]]:
        """Return helm's standard output and, if it fails, the lines of its error messages."""
        result = subprocess.run([str(self._helm), *arguments], capture_output=True, text=True, check=False)
        said = f"{result.stdout}\n{result.stderr}" if arguments[0] == "lint" else result.stderr
        return result.stdout, [line for line in said.splitlines() if line.strip()] if result.returncode else []

    def _conform(self, files: Sequence[Path], findings: Sequence[Finding]) -> None:
        """Validate ``files`` and add the problems to the finding of each file."""
        if not files:
            return
        by_file = dict(zip(map(str, files), findings, strict=True))
        for resource in self._run_kubeconform(files):
            finding = by_file[resource["filename"]]
            if not resource["status"]:  # a document with only comments
                continue
            finding.objects += 1
            if resource["status"] != "statusValid":
                finding.problems.append(f"{resource['kind']} {resource['name']}: {resource['msg']}")
        for finding in findings:
            if not finding.objects and not finding.problems:
                finding.problems.append("it contains no object")

    def _run_kubeconform(self, files: Sequence[Path]) -> list[dict[str, str]]:
        """Return kubeconform's result for each object. A kind without a schema is an error."""
        names = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
        schemas = [f"-schema-location={place}/{names}" for place in (self._custom, self._published)]
        command = [str(self._kubeconform), "-strict", "-verbose", "-output=json", *schemas, *map(str, files)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found: list[dict[str, str]] = json.loads(result.stdout)["resources"]
        except (ValueError, KeyError):
            raise LabError(f"kubeconform printed no results but:\n{result.stdout}{result.stderr}") from None
        return found


def check(chart: Path, definitions: Sequence[Path], manifests: Sequence[Path], report: Report = quiet) -> list[Finding]:
    """Check a chart and files of manifests. Raises LabError if helm or kubeconform cannot be built or fails to run."""
    with TemporaryDirectory() as directory:
        checker = ChartChecker(definitions, Path(directory), report)
        return [*checker.chart(chart), *checker.manifests(manifests)]
