from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.training.plan import Plan

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
