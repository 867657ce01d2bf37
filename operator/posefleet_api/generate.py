"""Write what is made from the API's models, or check that it is up to date: CRDs, the chart's copy, the reference."""

import argparse
import sys
from pathlib import Path

import yaml

from posefleet_api.constants import GROUP, PLURAL
from posefleet_api.crd import custom_resource_definition
from posefleet_api.reference import manifest_reference

_NOTE = "# Written by `make generate` from operator/posefleet_api; edit the models there.\n"


def generated_files() -> dict[Path, str]:
    """Path in the repository and content of every generated file."""
    crd = yaml.safe_dump(custom_resource_definition(), sort_keys=False, width=110, allow_unicode=True)
    name = f"{GROUP}_{PLURAL}.yaml"
    return {
        Path("crds") / name: _NOTE + crd,
        Path("charts") / "posefleet" / "files" / "crds" / name: _NOTE + crd,
        Path("docs") / "manifest.md": manifest_reference(),
    }


def main() -> None:
    """Entry of ``posefleet-generate``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the repository")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is out of date")
    arguments = parser.parse_args()
    stale = [
        path for path, text in generated_files().items()
        if not (arguments.root / path).exists() or (arguments.root / path).read_text() != text
    ]  # fmt: skip
    if arguments.check:
        if stale:
            sys.exit(f"out of date: {', '.join(map(str, stale))}; run `make generate`")
        return
    for path in stale:
        target = arguments.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(generated_files()[path])
