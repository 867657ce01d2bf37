"""Stops a test run on a machine that cannot run the tests, unless the caller asks for them to be skipped."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

#: Set to 1 by people without root, who want ``make e2e`` to skip on purpose.
SKIP_E2E = "POSEFLEET_E2E_SKIP"
#: Set to 1 to run ``pytest tests/gpu`` on a machine without a GPU.
SKIP_GPU = "POSEFLEET_GPU_SKIP"


def stop_or_skip(
    folder: Path, items: Sequence[pytest.Item], missing: str, variable: str, environ: Mapping[str, str] = os.environ
) -> None:
    """Act on ``missing``, a message that says what the tests in ``folder`` lack, which is empty if they lack nothing.

    With the environment variable ``variable`` set to 1, every test of the folder is skipped and says so. Otherwise the
    run ends before its first test.

    Raises:
        pytest.UsageError: something is missing and ``variable`` is not 1. pytest then exits with a nonzero code.
    """
    concerned = [item for item in items if item.path.is_relative_to(folder)]
    if not missing or not concerned:
        return
    if environ.get(variable) != "1":
        raise pytest.UsageError(
            f"{missing}\n\nNo test ran. Provide what is missing, or set {variable}=1 to skip these tests on purpose."
        )
    reason = f"skipped on purpose, because {variable}=1: {missing.splitlines()[0].rstrip(':')}"
    for item in concerned:
        item.add_marker(pytest.mark.skip(reason=reason))
