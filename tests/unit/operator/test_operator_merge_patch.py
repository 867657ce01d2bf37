"""Merge patches: the smallest change, and what a newer version has written stays."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_operator.cluster.merge_patch import carried_over, difference, patched

SCALARS = st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_the_difference_of_two_objects_turns_one_into_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = deepcopy(old)
    result = patched(old, difference(old, new))

    assert result == new
    assert difference(result, new) == {}
    assert old == before


@given(OBJECTS)
def test_equal_objects_differ_by_nothing(value: dict[str, Any]) -> None:
    assert difference(value, deepcopy(value)) == {}


def test_a_patch_names_only_what_has_changed() -> None:
    old = {"same": [1, {"a": 1}], "removed": 1, "nested": {"same": "x", "other": 1, "gone": {}}}
    new = {"same": [1, {"a": 1}], "added": 2, "nested": {"same": "x", "other": 2}}

    assert difference(old, new) == {"removed": None, "added": 2, "nested": {"other": 2, "gone": None}}


def test_true_is_not_one() -> None:
    assert difference({"a": 1, "b": [True]}, {"a": True, "b": [1]}) == {"a": True, "b": [1]}


#: The examples of RFC 7386, appendix A, whose target is an object.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, {"b": {"c": {"d": None}}}, {"a": "foo", "b": {"c": {}}}),
    ],
)
def test_a_patch_is_applied_as_the_standard_says(
    target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    assert patched(target, patch) == result


@given(OBJECTS, OBJECTS, OBJECTS)
def test_what_is_known_becomes_what_is_wanted(
    extra: dict[str, Any], known: dict[str, Any], new: dict[str, Any]
) -> None:
    unknown = {f"new-{name}": value for name, value in extra.items()}

    assert carried_over({**unknown, **known}, known, new) == {**unknown, **new}


def test_items_of_lists_are_found_by_their_key() -> None:
    stored = [{"type": "A", "status": "True", "later": 1}, {"type": "Later", "status": "True"}]
    known = [{"type": "A", "status": "True"}, {"type": "Later", "status": "True"}]
    new = [{"type": "B", "status": "False"}, {"type": "A", "status": "False"}, {"type": "Later", "status": "True"}]

    assert carried_over({"conditions": stored}, {"conditions": known}, {"conditions": new}) == {
        "conditions": [new[0], {**new[1], "later": 1}, new[2]]
    }
