"""One prepared project for all tests of the report."""

import pytest

from unit.trainer.report.results import Made


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return Made.on(tmp_path_factory.mktemp("report"))
