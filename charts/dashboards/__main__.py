"""Writes the chart's dashboards and docs/metrics.md, or checks with --check whether they are up to date."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fleet import fleet
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from job import job
from reference import metrics_reference

_ROOT = Path(__file__).parents[2]
_DASHBOARDS = Path("charts", "posefleet", "dashboards")


def generated_files() -> dict[Path, str]:
    """Return the content of every generated file by its path in the repository."""
    boards = {"fleet": _as_json(fleet()), "job": _as_json(job())}
    files = {
        _DASHBOARDS / f"{name}.json": json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in boards.items()
    }
    return {**files, Path("docs", "metrics.md"): metrics_reference(boards, _ROOT)}


def _as_json(builder: Dashboard) -> dict[str, Any]:
    """Number the panels of a dashboard and show its links directly instead of in a menu."""
    built = builder.build()
    for number, panel in enumerate(built.panels or [], 1):
        panel.id_val = number
    board: dict[str, Any] = json.loads(json.dumps(built, cls=JSONEncoder))
    for shown in [*board["links"], *board["annotations"].get("list", [])]:
        shown.pop("placement", None)
    return board


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=_ROOT, help="where to write")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is out of date")
    arguments = parser.parse_args()
    files = generated_files()
    stale = [
        path
        for path, text in files.items()
        if not (arguments.root / path).exists() or (arguments.root / path).read_text(encoding="utf-8") != text
    ]
    if arguments.check and stale:
        sys.exit(f"out of date: {', '.join(map(str, stale))}; run `make generate`")
    for path in [] if arguments.check else stale:
        target = arguments.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files[path], encoding="utf-8")


if __name__ == "__main__":
    main()
