"""The table of a measurement: each figure beside its bar."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure and its bar. A figure of None could not be measured, and a bar of None is no bar."""

    what: str
    figure: float | None
    unit: str
    bar: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the figure does not exceed the bar."""
        return self.bar is None or (self.figure is not None and self.figure <= self.bar)

    def cells(self) -> tuple[str, str, str, str]:
        """Return what is measured, the figure, the bar and the verdict as texts."""
        figure = "not measured" if self.figure is None else f"{self.figure:.3g} {self.unit}".rstrip()
        if self.figure is not None and self.figure >= 1000:
            figure = f"{self.figure:.0f} {self.unit}"
        bar = f"at most {self.bar:g} {self.unit}".rstrip() if self.bar is not None else ""
        verdict = "" if self.bar is None else ("reached" if self.reached else "NOT REACHED")
        return f"{self.what}{f' ({self.note})' if self.note else ''}", figure, bar, verdict


def table(title: str, rows: Sequence[Row]) -> str:
    """Return rows as a table in Markdown."""
    cells = [(title, "measured", "bar", ""), *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that ``percent`` of the values do not exceed, or None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
