"""Log lines as JSON and as text."""

import io
import json
import logging

import pytest

from posefleet_operator.telemetry.logs import job_context, start_logging


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_line_inside_a_job_names_it_and_its_attempt(root_logger) -> None:
    stream = io.StringIO()
    start_logging("auto", "INFO", stream)
    with job_context(("lab", "reaching"), 2):
        logging.getLogger("posefleet_operator.x").info("created %s", "Job")
    logging.getLogger("posefleet_operator.x").info("outside")

    inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (inside["namespace"], inside["job"], inside["attempt"], inside["message"]) == (
        "lab", "reaching", 2, "created Job",
    )  # fmt: skip
    assert "job" not in outside


def test_people_get_plain_text(root_logger) -> None:
    stream = io.StringIO()
    start_logging("text", "INFO", stream)
    with job_context(("lab", "reaching"), 2):
        logging.getLogger("x").warning("slow")

    assert "WARNING lab/reaching attempt 2 slow" in stream.getvalue()
