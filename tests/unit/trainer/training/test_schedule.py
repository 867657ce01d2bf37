import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.training.plan import backbone_factor, learning_rate_factor

shares = st.floats(0, 1)


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
