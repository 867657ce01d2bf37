"""The text of requests: any character, in JSON and in YAML, and within the limits of the fields."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from posefleet_operator.cluster.text import cut_to_bytes, cut_to_schema, encoded, without_surrogates

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_any_text_is_the_same_in_json_and_in_yaml(text: str) -> None:
    body = encoded({"message": text})

    assert json.loads(body) == {"message": without_surrogates(text)}
    assert yaml.safe_load(body) == {"message": without_surrogates(text)}


@pytest.mark.parametrize(
    "character", ["\x00", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff"]
)
def test_characters_that_yaml_takes_for_something_else_are_escaped(character: str) -> None:
    assert encoded(character) == f'"\\u{ord(character):04x}"'.encode()


def test_an_emoji_is_not_escaped_at_all() -> None:
    assert encoded("🐭") == '"🐭"'.encode()


def test_a_pair_of_surrogates_becomes_its_character_and_a_single_one_is_replaced() -> None:
    assert json.loads(encoded("\ud83d\udc2d and \ud83d")) == "🐭 and \ufffd"


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoded({"loss": math.nan})


@given(ANY_TEXT, st.integers(0, 50))
def test_text_is_cut_to_bytes_in_whole_characters(text: str, limit: int) -> None:
    cut = cut_to_bytes(text, limit)

    assert len(cut.encode()) <= limit
    assert without_surrogates(text).startswith(cut)
    assert len(cut.encode()) > limit - 4 or cut == without_surrogates(text)


SCHEMA: dict[str, Any] = {
    "properties": {
        "reason": {"type": "string", "maxLength": 3},
        "list": {"maxItems": 2, "items": {"properties": {"text": {"maxLength": 1}}}},
        "free": {"type": "string"},
    }
}


def test_texts_and_lists_are_cut_to_what_the_schema_allows() -> None:
    value = {"reason": "🐭🐭🐭🐭", "list": [{"text": "ab", "n": 7}] * 3, "free": "long enough", "other": ["x"] * 9}

    assert cut_to_schema(value, SCHEMA) == {
        "reason": "🐭🐭🐭", "list": [{"text": "a", "n": 7}] * 2, "free": "long enough", "other": ["x"] * 9,
    }  # fmt: skip
