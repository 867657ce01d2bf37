"""The tests of this folder need an NVIDIA GPU; without one the run fails instead of skipping them silently."""

from pathlib import Path

import pytest
import torch

from support.preconditions import SKIP_GPU, stop_or_skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = "" if torch.cuda.is_available() else "no CUDA device is visible; run these tests on a machine with a GPU"
    if not config.option.collectonly:
        stop_or_skip(Path(__file__).parent, items, missing, SKIP_GPU)
