import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.training.plan import Plan, backbone_factor, learning_rate_factor

shares = st.floats(0, 1)
plans = st.builds(
    Plan,
    epochs=st.integers(1, 40),
    frames=st.integers(1, 60),
    batch_size=st.integers(1, 16),
    clip_length=st.just(4),
    world=st.integers(1, 6),
    validate_every_epochs=st.integers(1, 9),
)


def a_plan(world: int = 1, epochs: int = 10) -> Plan:
    return Plan(epochs=epochs, frames=40, batch_size=4, clip_length=8, world=world, validate_every_epochs=5)


def test_two_ranks_do_half_the_steps():
    assert a_plan(world=1).steps == 100
    assert a_plan(world=2).steps == 50


@given(plans)
def test_all_epochs_are_seen_and_none_is_begun_anew(plan: Plan):
    assert plan.steps * plan.samples_per_step >= plan.epochs * plan.frames
    assert (plan.steps - 1) * plan.samples_per_step < plan.epochs * plan.frames
    assert plan.epoch(plan.steps) == plan.epochs
    assert plan.share_done(plan.steps) == 1


@given(plans)
def test_the_last_step_ends_an_epoch_and_is_measured(plan: Plan):
    assert plan.ends_epoch(plan.steps)
    assert plan.validates_after(plan.steps)


@given(plans)
def test_only_ends_of_epochs_are_measured(plan: Plan):
    for step in range(1, plan.steps + 1):
        assert plan.ends_epoch(step) or not plan.validates_after(step)


@given(plans, st.data())
def test_training_goes_on_from_the_step_it_was_left_at(plan: Plan, data: st.DataObject):
    step = data.draw(st.integers(0, plan.steps))
    assert plan.step_of_sample(step * plan.samples_per_step) == step


def test_another_number_of_ranks_goes_on_behind_the_samples_that_were_seen():
    seen = 10 * a_plan(world=3).samples_per_step
    assert a_plan(world=2).step_of_sample(seen) == 15
    assert a_plan(world=4).step_of_sample(seen) == 8


@given(shares)
def test_the_learning_rate_stays_between_nothing_and_its_peak(share: float):
    assert 0 < learning_rate_factor(share) <= 1


def test_it_rises_to_its_peak_and_falls_to_a_hundredth():
    rates = [learning_rate_factor(step / 1000) for step in range(1001)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) > 0.999
    assert abs(rates[-1] - 0.01) < 1e-9


@given(shares)
def test_a_random_backbone_learns_from_the_start(share: float):
    assert backbone_factor(share, pretrained=False) == 1


def test_a_pretrained_backbone_waits_for_the_head():
    assert backbone_factor(0.0, pretrained=True) == 0
    assert 0.09 < backbone_factor(0.05, pretrained=True) < 0.12
    assert backbone_factor(0.5, pretrained=True) == 1


@pytest.mark.parametrize(
    ("share", "factor"),
    [
        (0.0, 0.01 / 1.01),
        (0.015, 0.51 / 1.01),
        (0.03, 1.0),
        (0.515, 0.505),
        (0.2725, 0.01 + 0.99 * 0.8535534),
        (1.0, 0.01),
    ],
)
def test_the_learning_rate_has_these_values_on_its_way(share: float, factor: float):
    assert learning_rate_factor(share) == pytest.approx(factor)


def test_a_pretrained_backbone_comes_in_between_its_two_shares():
    assert backbone_factor(0.0499, pretrained=True) == 0
    assert backbone_factor(0.05, pretrained=True) == pytest.approx(0.1)
    assert backbone_factor(0.085, pretrained=True) == pytest.approx(0.1**0.5)
    assert backbone_factor(0.12, pretrained=True) == 1


def test_an_epoch_is_complete_when_all_its_frames_were_drawn():
    # Ten frames in steps of four: 12 samples complete the first epoch, 20 the second, and the last step exceeds 30.
    plan = Plan(epochs=3, frames=10, batch_size=4, clip_length=8, world=1, validate_every_epochs=5)
    assert plan.steps == 8
    assert [plan.epoch(step) for step in range(9)] == [0, 0, 0, 1, 1, 2, 2, 2, 3]
    assert [step for step in range(1, 9) if plan.ends_epoch(step)] == [3, 5, 8]


def test_the_error_is_measured_at_its_interval_and_at_the_end():
    plan = Plan(epochs=7, frames=4, batch_size=4, clip_length=8, world=1, validate_every_epochs=3)
    assert [step for step in range(1, 8) if plan.validates_after(step)] == [3, 6, 7]


def test_epochs_never_exceed_those_of_the_plan():
    # The last step of three ranks draws more samples than an eleventh epoch would need.
    plan = Plan(epochs=10, frames=4, batch_size=4, clip_length=8, world=3, validate_every_epochs=5)
    assert [plan.epoch(step) for step in range(plan.steps + 1)] == [0, 3, 6, 9, 10]


@pytest.mark.parametrize(("world", "steps", "first"), [(1, 100, 40), (2, 50, 20), (3, 34, 13)])
def test_clips_begin_when_two_fifths_of_the_steps_are_done(world: int, steps: int, first: int):
    plan = a_plan(world)
    assert (plan.steps, plan.first_clip_step) == (steps, first)
    assert plan.share_done(first) <= 0.4 < plan.share_done(first + 1)
