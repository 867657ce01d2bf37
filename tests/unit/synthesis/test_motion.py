"""The animal moves as one skeleton that two cameras see."""

import numpy as np
import pytest

from posefleet_synthesis.animal import BODY_POINTS, KEYPOINTS
from posefleet_synthesis.appearance import DAY
from posefleet_synthesis.motion import pose_at, run_on_belt
from posefleet_synthesis.numbers import random_source
from posefleet_synthesis.recording import FRAMES_PER_SECOND, record
from posefleet_trainer.dataset.pose_subspaces import fit_multi_view

SIZE = 256


@pytest.fixture(scope="module")
def points():
    recording = record((0, 0), 300, SIZE, DAY)
    return np.stack([recording.points(frame) for frame in range(len(recording))])


def test_three_components_explain_both_views(points):
    count = len(BODY_POINTS)
    views = [list(range(count)), list(range(count, 2 * count))]
    space = fit_multi_view(points, views, components=3)
    assert np.nanmax(space.error(points)) < 1e-6


def test_two_components_do_not_explain_both_views(points):
    count = len(BODY_POINTS)
    space = fit_multi_view(points, [list(range(count)), list(range(count, 2 * count))], components=2)
    assert np.nanmax(space.error(points)) > 3.0


@pytest.mark.parametrize("seed", range(8))
def test_keypoints_stay_in_the_frame_and_move_less_than_twenty_pixels(seed):
    recording = record((seed, 1), 200, SIZE, DAY)
    points = np.stack([recording.points(frame) for frame in range(len(recording))])
    assert points.min() > 0
    assert points.max() < SIZE - 1
    assert np.linalg.norm(np.diff(points, axis=0), axis=-1).max() < 20


def test_the_views_do_not_overlap(points):
    side, bottom = points[:, : len(BODY_POINTS), 1], points[:, len(BODY_POINTS) :, 1]
    assert side.max() < SIZE / 2 < bottom.min()


def test_every_paw_moves_and_stands_in_turn(points):
    for name in ("paw_front_left", "paw_front_right", "paw_hind_left", "paw_hind_right"):
        along = points[:, KEYPOINTS.index(f"{name}_side"), 0]
        assert np.ptp(along) > 20


def test_a_standing_paw_travels_with_the_belt():
    motion = run_on_belt(random_source(3), 300, FRAMES_PER_SECOND)
    poses = [pose_at(motion.at(frame)) for frame in range(300)]
    paw = np.array([pose.legs[2].paw for pose in poses])
    stands = paw[:, 2] < paw[:, 2].min() + 1e-9
    both = stands[1:] & stands[:-1]
    on_body = np.diff(paw[:, 0]) - np.diff([pose.trunk_origin[0] for pose in poses])
    # What is left is the animal turning.
    assert np.abs(on_body + np.diff(motion.belt))[both].max() < 0.6


def test_bones_keep_their_lengths():
    motion = run_on_belt(random_source(5), 120, FRAMES_PER_SECOND)
    for index, lengths in ((0, (12.0, 11.5)), (3, (12.5, 10.5))):
        for frame in range(120):
            leg = pose_at(motion.at(frame)).legs[index]
            assert np.linalg.norm(leg.knee - leg.root) == pytest.approx(lengths[0], abs=1e-6)
            # A leg that cannot reach is stretched at the ankle, never torn at the hip.
            assert np.linalg.norm(leg.ankle - leg.knee) < 1.25 * lengths[1]
