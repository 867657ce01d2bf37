"""Colours that people tell apart."""

import numpy as np

from posefleet_trainer.report.palette import hexadecimal, keypoint_colours, separation


def nearest(count: int) -> float:
    colours = np.array(keypoint_colours(count), dtype=float)
    distances = separation(colours, colours)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min())


def test_colours_are_distinct_for_all_kinds_of_colour_vision():
    # In Oklab, 0.02 is what one just notices.
    assert nearest(8) > 0.07
    assert nearest(17) > 0.06
    assert nearest(40) > 0.04


def test_there_are_colours_for_as_many_keypoints_as_the_api_allows():
    assert len(set(keypoint_colours(512))) == 512


def test_another_keypoint_does_not_change_the_colours_of_the_others():
    assert keypoint_colours(40)[:9] == keypoint_colours(9)


def test_colours_are_written_as_css_wants_them():
    assert hexadecimal((230, 159, 0)) == "#e69f00"
