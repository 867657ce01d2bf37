"""Write the chart's dashboards and docs/metrics.md, or check with --check that they are up to date."""

import json
from pathlib import Path
from typing import Any

from fleet import fleet
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from job import job
from reference import metrics_reference

from posefleet_api.generate import write_or_check

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
    """Write the files, or check them."""
    write_or_check(generated_files(), __doc__ or "", _ROOT)


if __name__ == "__main__":
    main()
