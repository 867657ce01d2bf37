"""A project for the command."""

from pathlib import Path

import pytest

from unit.trainer.dataset.projects import ProjectFolder


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "My Mouse").with_frames(20).with_video()
