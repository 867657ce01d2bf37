"""How the training went, as plots over its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from posefleet_trainer.report.plots import Chart, Line, draw_chart, thinned

Record = Mapping[str, Any]

#: What the API calls the losses, and what people do.
_TERMS = {
    "heatmap": "Heatmap loss (labelled frames)",
    "temporal": "Temporal loss",
    "pcaSingleView": "Single-view PCA loss",
    "pcaMultiView": "Multi-view PCA loss",
    "unimodal": "Unimodal loss",
}
_MOST_CURVE_POINTS = 800
#: From so large a ratio of largest to least on, a plot is logarithmic.
_WIDE_RANGE = 20.0


def training_curves(history: Sequence[Record]) -> list[Markup]:
    """A plot for each loss, the validation pixel error, and the learning rate."""
    if not history:
        return []
    terms = list(dict.fromkeys(term for record in history for term in record["losses"]))
    charts = [
        _curve(history, f"{_TERMS.get(term, term)}, weighted", _column(history, "losses", term), "var(--accent)")
        for term in terms
    ]
    errors = _column(history, "validation_pixel_error")
    if np.isfinite(errors).any():
        charts.append(_curve(history, "Validation pixel error, mean", errors, "var(--validation)"))
    charts.append(_curve(history, "Learning rate", _column(history, "learning_rate"), "var(--quiet)", linear=True))
    return charts


def _column(history: Sequence[Record], name: str, term: str | None = None) -> NDArray[np.float64]:
    values = [record.get(name) if term is None else record[name].get(term) for record in history]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _curve(
    history: Sequence[Record], title: str, values: NDArray[np.float64], colour: str, *, linear: bool = False
) -> Markup:
    known = np.isfinite(values)
    steps = np.array([record["step"] for record in history], dtype=np.float64)[known]
    places, shown = thinned(values[known], _MOST_CURVE_POINTS)
    positive = shown[shown > 0]
    wide = not linear and len(positive) == len(shown) > 0 and positive.max() / positive.min() > _WIDE_RANGE
    line = Line(steps[places.astype(int)], shown, colour, width=1.8)
    return draw_chart(
        Chart(
            title,
            [line],
            x_label="step",
            logarithmic=bool(wide),
            from_zero=True,
            x_range=(0.0, float(history[-1]["step"])),
        )
    )
