"""How a trainer process starts: what it imports, and what it says of the time."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest

from posefleet_api.status import Stage
from posefleet_trainer.gang.imports import import_in_background
from posefleet_trainer.main import STAGES
from posefleet_trainer.telemetry.progress import Timeline

PREPARING = "posefleet_trainer.context, posefleet_trainer.preparation.prepare, posefleet_trainer.preparation.build"


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def modules_after(statement: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(printed.split())


def test_preparing_does_without_what_trains():
    assert not modules_after(f"import {PREPARING}") & {"torch", "timm", "pytorch_lightning", "nvidia.dali"}


def test_the_launcher_starts_its_ranks_before_it_imports_anything_large():
    loaded = modules_after("import posefleet_trainer.main, posefleet_trainer.gang.launcher")
    assert not loaded & {"pydantic", "yaml", "minio", "numpy", "prometheus_client"}


def test_all_stages_can_be_asked_for():
    assert get_args(Stage) == STAGES


def test_a_module_is_there_after_the_block_in_which_it_was_imported():
    name = "wave"
    sys.modules.pop(name, None)
    with import_in_background(name):
        assert not gc.isenabled()
    assert name in sys.modules
    assert gc.isenabled()


def test_a_module_that_cannot_be_imported_is_told():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), import_in_background("no_such_module"):
        pass
    assert gc.isenabled()


def test_a_timeline_adds_up_parts_by_name():
    times = iter([10.0, 12.0, 15.0, 16.5])
    timeline = Timeline(age_seconds=1.0, clock=lambda: next(times))
    for part in ("import", "data", "import"):
        timeline.mark(part)
    assert timeline.seconds == {"import": 4.5, "data": 3.0}
    assert str(timeline) == "7.5 s (import 4.5, data 3.0)"


def test_a_timeline_begins_with_the_process():
    script = "import time; time.sleep(0.3)\nfrom posefleet_trainer.telemetry.progress import Timeline\n"
    script += "timeline = Timeline()\ntimeline.mark('start')\nprint(timeline.seconds['start'])"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert float(printed) > 0.3
