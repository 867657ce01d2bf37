"""``python -m posefleet_lab.chartcheck CHART`` checks a Helm chart with each of its sets of values.

These are the chart's defaults and each file of its folder ``ci/``.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import LabError
from .check import check
from .schemas import kubernetes_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 if no problem is found, or else 1."""
    parser = argparse.ArgumentParser(prog="python -m posefleet_lab.chartcheck", description=__doc__)
    parser.add_argument("chart", type=Path, help="a chart's folder")
    parser.add_argument("--crds", type=Path, metavar="FOLDER", help="folder of CustomResourceDefinitions")
    parser.add_argument(
        "--manifests", action="append", default=[], type=Path, metavar="FOLDER", help="folder of manifests to check too"
    )
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    definitions = sorted(options.crds.glob("*.yaml")) if options.crds else []
    manifests = [file for folder in options.manifests for file in sorted(folder.glob("*.yaml"))]
    try:
        findings = check(options.chart, definitions, manifests, lambda line: _say(line, error=True))
    except LabError as error:
        _say(f"chartcheck: {error}", error=True)
        return 1
    for finding in findings:
        _say(f"{'wrong' if finding.problems else 'ok':6}{finding.name:28}{finding.objects:4} objects")
        for problem in finding.problems:
            _say(f"      {problem}")
    wrong = sum(bool(finding.problems) for finding in findings)
    seconds = time.monotonic() - begun
    _say(f"Kubernetes {kubernetes_version()}: {len(findings) - wrong} valid, {wrong} invalid, in {seconds:.1f} s")
    return 1 if wrong else 0


def _say(line: str, *, error: bool = False) -> None:
    sys.stderr.write(f"{line}\n") if error else sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
