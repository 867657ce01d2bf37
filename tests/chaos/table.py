"""The table of faults: what was tried how often, what it cost, and what went wrong."""

from collections.abc import Sequence
from statistics import median

from chaos.faults import Fault, Run

_HEAD = ("fault", "what happens", "what it means for a job", "runs", "steps lost", "pause", "wrong outcomes")
_COLUMNS_OF_TERMINAL = (0, 3, 4, 5, 6)


def rows(faults: Sequence[Fault], runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Return a row for each fault that was tried."""
    found = []
    for fault in faults:
        mine = [run for run in runs if run.fault == fault.name and not run.left_out]
        if mine:
            lost = [run.steps_lost for run in mine if run.steps_lost is not None]
            seconds = [run.seconds for run in mine if run.seconds is not None]
            wrong = sum(bool(run.problems) for run in mine)
            figures = (str(len(mine)), _spread(lost), _spread(seconds, " s"), str(wrong))
            found.append((fault.name, fault.what, fault.meaning, *figures))
    return found


def markdown(faults: Sequence[Fault], runs: Sequence[Run], how: str) -> str:
    """Return the table as markdown, with ``how`` it was made above it."""
    lines = [how, "", _line(_HEAD), _line(["---"] * len(_HEAD)), *map(_line, rows(faults, runs))]
    return "\n".join(lines) + "\n"


def text(faults: Sequence[Fault], runs: Sequence[Run]) -> str:
    """Return the table for a terminal."""
    table = [tuple(row[column] for column in _COLUMNS_OF_TERMINAL) for row in (_HEAD, *rows(faults, runs))]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)


def _spread(values: Sequence[float], unit: str = "") -> str:
    """Return the median and the worst."""
    if not values:
        return "-"
    return f"{median(values):.0f}{unit} (worst {max(values):.0f}{unit})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
