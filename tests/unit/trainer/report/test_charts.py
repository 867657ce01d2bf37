"""What the charts of the page show."""

import numpy as np

from posefleet_trainer.report.charts import low_confidence_bands, training_curves


def test_intervals_of_low_confidence_are_shaded_and_no_others():
    confidence = np.ones(100, np.float32)
    confidence[40:60] = 0.1
    (band,) = low_confidence_bands(confidence)
    assert (band.start, band.stop) == (40, 60)
    assert low_confidence_bands(np.ones(1000, np.float32)) == []
    assert low_confidence_bands(np.zeros(0, np.float32)) == []


def test_a_training_gives_a_plot_for_each_loss_the_error_and_the_rate():
    history = [{"step": 4, "epoch": 1, "losses": {"heatmap": 0.1, "unimodal": 0.0}, "learning_rate": 0.001}]
    assert len(training_curves(history)) == 3
    assert len(training_curves([*history, {**history[0], "step": 8, "validation_pixel_error": 3.0}])) == 4
