"""Values of the chart and fields of the manifest that the pages name are values and fields."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, render
from posefleet_api.constants import API_VERSION, KIND
from posefleet_api.job import parse_job

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ["install.md", "operations.md", "security.md"]
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(r"[a-zA-Z]+(\.[a-zA-Z]+)*")
#: Top-level values whose names also mean something else on these pages.
_AMBIGUOUS = {"resources", "image", "namespaces", "test"}


def spans(page: str) -> list[str]:
    return _SPAN.findall((DOCS / page).read_text())


def is_value(path: str) -> bool:
    top, _, rest = path.partition(".")
    return top in SCHEMA["properties"] and (bool(rest) or top not in _AMBIGUOUS)


def assigned(page: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values that a page gives, in blocks of YAML and in the middle of sentences."""
    for block in _YAML.findall((DOCS / page).read_text()):
        if (values := yaml.safe_load(block)).keys() <= SCHEMA["properties"].keys():
            yield block, values
    for span in spans(page):
        path, colon, text = span.partition(": ")
        if colon and _PATH.fullmatch(path) and is_value(path) and "$" not in text and "..." not in text:
            value = yaml.safe_load(text)
            for key in reversed(path.split(".")):
                value = {key: value}
            yield span, value


@pytest.mark.parametrize("page", PAGES)
def test_values_that_a_page_gives_are_taken_by_the_chart(page: str) -> None:
    found = list(assigned(page))
    assert found
    for _, values in found:
        render(**values)


@pytest.mark.parametrize("page", PAGES)
def test_values_that_a_page_names_are_in_the_schema(page: str) -> None:
    named = {span for span in spans(page) if _PATH.fullmatch(span) and "." in span and is_value(span)}
    assert named
    for path in named:
        place = SCHEMA
        for key in path.split("."):
            assert key in place.get("properties", {}), path
            place = place["properties"][key]


@pytest.mark.parametrize("page", ["scientist.md", "operations.md"])
def test_fields_of_the_manifest_that_a_page_gives_are_taken(page: str) -> None:
    blocks = [yaml.safe_load(block) for block in _YAML.findall((DOCS / page).read_text())]
    specs = [block["spec"] for block in blocks if block.keys() == {"spec"}]
    assert specs
    for spec in specs:
        minimal = {"dataset": {"uri": "s3://data/p/"}, "output": {"uri": "s3://results/p/"}}
        parse_job({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "job"}, "spec": {**minimal, **spec}})
