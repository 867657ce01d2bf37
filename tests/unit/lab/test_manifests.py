"""Kubernetes quantities."""

import pytest

from posefleet_lab.manifests import in_units_of, parse_quantity, to_bytes


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("500m", 0.5), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), ("3M", 3e6), ("1e3", 1000)]
)
def test_quantities(text, number):
    assert float(parse_quantity(text)) == number


def test_quantities_round_up():
    assert in_units_of("1500m", "1") == 2
    assert to_bytes("1.5") == 2
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity("many")
