"""The manifests that people copy from."""

from pathlib import Path

import pytest
import yaml

from posefleet_api.job import parse_job

_EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_job(path: Path):
    assert parse_job(yaml.safe_load(path.read_text())).metadata.namespace == "lab"
