"""Charts of any numbers are well formed, and show the extremes."""

from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posefleet_trainer.report.line_chart import (
    Chart,
    Line,
    ReferenceLine,
    downsample,
    draw_chart,
    linear_scale,
    log_scale,
    ticks,
)

NUMBERS = st.floats(-1e6, 1e6) | st.just(float("nan"))


@given(arrays(np.float64, st.integers(0, 60), elements=NUMBERS), st.booleans(), st.booleans())
def test_any_series_gives_a_well_formed_picture(values, logarithmic, from_zero):
    line = Line(np.arange(len(values)), values, "red", "a < b")
    chart = Chart(
        "t & t", [line], "x", reference_lines=[ReferenceLine(3.0, "ε")], logarithmic=logarithmic, from_zero=from_zero
    )
    drawn = draw_chart(chart)
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn
    assert "inf" not in drawn


@given(arrays(np.float64, st.integers(1, 5000), elements=NUMBERS), st.integers(4, 300))
def test_thinning_keeps_the_extremes(values, most):
    places, kept = downsample(values, most)
    assert len(kept) <= most
    assert list(places) == sorted(places)
    if np.isfinite(values).any():
        assert np.nanmax(kept) == np.nanmax(values)
        assert np.nanmin(kept) == np.nanmin(values)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 8))
def test_ticks_lie_on_the_axis_and_are_few(low, reach, about):
    scale = linear_scale((low, low + reach), (0, 100))
    found = ticks(scale, about)
    assert len(found) <= 3 * about
    assert all(-1e-3 <= scale.place(tick) <= 100 + 1e-3 for tick in found)


@given(st.floats(1e-9, 1e3), st.floats(1.2, 1e9))
def test_logarithmic_axes_have_ticks(low, ratio):
    assert ticks(log_scale((low, low * ratio), (100, 0)), 4)
