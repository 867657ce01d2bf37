"""What the cameras film is what the truth says."""

import numpy as np
import pytest

from posefleet_synthesis.animal import KEYPOINTS, Material, balls
from posefleet_synthesis.appearance import DAY, DUSK
from posefleet_synthesis.camera import surface, two_views
from posefleet_synthesis.files import labels_of
from posefleet_synthesis.numbers import random_source
from posefleet_synthesis.recording import Shot, record

SIZE = 256


@pytest.fixture(scope="module")
def shots():
    recording = record((0, 0), 300, SIZE, DAY)
    return [recording.shot(frame) for frame in range(0, 300, 12)]


def test_the_same_key_films_the_same_bytes():
    one, other = (record((4, 2), 30, 64, DAY).shot(7) for _ in range(2))
    assert np.array_equal(one.picture, other.picture)
    assert np.array_equal(one.points, other.points)


def test_a_frame_does_not_depend_on_those_before_it():
    recording = record((4, 2), 30, 64, DAY)
    recording.shot(3)
    assert np.array_equal(recording.shot(7).picture, record((4, 2), 30, 64, DAY).shot(7).picture)


def test_another_seed_films_something_else():
    assert not np.array_equal(record((4, 2), 30, 64, DAY).shot(7).picture, record((5, 2), 30, 64, DAY).shot(7).picture)


def test_visible_paws_are_pink_where_the_truth_has_them(shots):
    paws = [number for number, name in enumerate(KEYPOINTS) if name.startswith("paw") and name.endswith("bottom")]
    redness, elsewhere = [], []
    for shot in shots:
        red = shot.picture[..., 0].astype(float) - shot.picture[..., 2]
        elsewhere.append(np.median(red))
        for number in paws:
            if shot.visible[number]:
                column, row = np.rint(shot.points[number]).astype(int)
                redness.append(red[row, column])
    assert len(redness) > 40
    assert np.median(redness) > 30
    assert np.median(elsewhere) < 5


def test_most_points_are_visible_and_some_are_not(shots):
    visible = np.mean([shot.visible for shot in shots])
    assert 0.75 < visible < 0.98
    assert any(shot.behind_prop.any() for shot in shots)


def test_the_lamp_blinks(shots):
    lamp = [shot.picture[13, 241, 0] for shot in shots]
    assert max(lamp) > 200
    assert min(lamp) < 120


def test_people_leave_out_only_points_that_are_hidden(shots):
    source = random_source(1)
    for shot in shots:
        left_out = np.isnan(labels_of(shot, source)).any(axis=1)
        assert not (left_out & shot.visible).any()


def test_people_leave_out_most_points_behind_props():
    size = 32
    shot = Shot(
        picture=np.zeros((size, size, 3), np.uint8),
        points=np.full((1000, 2), 16.0),
        visible=np.zeros(1000, bool),
        behind_prop=np.ones(1000, bool),
    )
    assert 0.70 < np.isnan(labels_of(shot, random_source(1))[:, 0]).mean() < 0.80


def test_clicks_land_close_to_the_truth(shots):
    off = np.concatenate([labels_of(shot, random_source(2)) - shot.points for shot in shots])
    assert np.nanstd(off) == pytest.approx(0.4, abs=0.1)


def test_the_other_animal_looks_different(shots):
    dusk = record((0, 1000), 300, SIZE, DUSK).shot(0).picture
    assert np.abs(dusk.mean(axis=(0, 1)) - shots[0].picture.mean(axis=(0, 1))).max() > 12


def test_cameras_undo_what_they_project():
    points = random_source(1).normal(size=(20, 3)) * 30
    for camera in two_views(SIZE):
        assert camera.unproject(camera.project(points)) == pytest.approx(points)


def test_a_ball_is_seen_as_a_disc_with_its_nearest_point_in_the_middle():
    camera = two_views(SIZE)[0]
    ball = balls(np.array([[0.0, 0.0, 20.0]]), np.array([10.0]), Material.NOSE)
    seen = surface(ball, camera, SIZE, oversampling=2)
    centre = camera.project(ball.centres)[0]
    radius = 10.0 * camera.pixels_per_unit
    assert seen.covered.sum() == pytest.approx(np.pi * (2 * radius) ** 2, rel=0.02)
    column, row = np.rint(seen.sample_of(centre)).astype(int)
    assert seen.depth[row, column] == pytest.approx(centre[2] + radius, abs=0.1)
    assert seen.normal[row, column] == pytest.approx([0, 0, 1], abs=0.05)
