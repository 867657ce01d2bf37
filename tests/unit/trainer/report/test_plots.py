"""Plots of whatever numbers come."""

from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posefleet_trainer.report.charts import doubts, training_curves
from posefleet_trainer.report.plots import Chart, Line, Rule, draw_chart, linear_scale, log_scale, thinned, ticks

NUMBERS = st.floats(-1e6, 1e6) | st.just(float("nan"))


@given(arrays(np.float64, st.integers(0, 60), elements=NUMBERS), st.booleans(), st.booleans())
def test_any_series_gives_a_well_formed_picture(values, logarithmic, from_zero):
    line = Line(np.arange(len(values)), values, "red", "a < b")
    chart = Chart("t & t", [line], "x", rules=[Rule(3.0, "ε")], logarithmic=logarithmic, from_zero=from_zero)
    drawn = draw_chart(chart)
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn
    assert "inf" not in drawn


@given(arrays(np.float64, st.integers(1, 5000), elements=NUMBERS), st.integers(4, 300))
def test_thinning_keeps_the_extremes(values, most):
    places, kept = thinned(values, most)
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


def test_stretches_of_low_confidence_are_shaded_and_no_others():
    confidence = np.ones(100, np.float32)
    confidence[40:60] = 0.1
    (band,) = doubts(confidence)
    assert (band.start, band.stop) == (40, 60)
    assert doubts(np.ones(1000, np.float32)) == []
    assert doubts(np.zeros(0, np.float32)) == []


def test_a_training_gives_a_plot_for_each_loss_the_error_and_the_rate():
    history = [{"step": 4, "epoch": 1, "losses": {"heatmap": 0.1, "unimodal": 0.0}, "learning_rate": 0.001}]
    assert len(training_curves(history)) == 3
    assert len(training_curves([*history, {**history[0], "step": 8, "validation_pixel_error": 3.0}])) == 4
