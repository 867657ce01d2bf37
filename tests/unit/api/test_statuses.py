"""Statuses of this and of other versions of the operator are read."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from posefleet_api.status import Status

STATUSES = Path(__file__).with_name("statuses")


def sample(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((STATUSES / name).read_text()))


@pytest.mark.parametrize("path", sorted(STATUSES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_stored_status_is_read(path: Path) -> None:
    fields = sample(path.name)
    status = Status.read(fields)
    assert status.phase == fields["phase"]
    assert [attempt.number for attempt in status.attempts] == [1, 2]
    assert status.last_checkpoint is not None
    assert status.last_checkpoint.step == fields["lastCheckpoint"]["step"]


def test_a_status_of_this_version_is_written_as_it_was_read() -> None:
    fields = sample("v1alpha1.yaml")
    written = Status.model_validate(fields).to_dict()
    assert Status.model_validate(written) == Status.read(fields)
    assert {name: written[name] for name in ("phase", "progress", "lastCheckpoint")} == {
        name: fields[name] for name in ("phase", "progress", "lastCheckpoint")
    }


def test_words_of_a_newer_version_are_kept() -> None:
    status = Status.read(sample("newer.yaml"))
    assert status.conditions[0].type == "Quarantined"
    assert status.attempts[0].outcome == "Migrated"
    assert status.progress is not None
    assert status.progress.stage == "distil"


def test_a_newer_status_is_not_mistaken_for_one_of_this_version() -> None:
    with pytest.raises(ValidationError, match="phaseOfTomorrow"):
        Status.model_validate(sample("newer.yaml"))


@pytest.mark.parametrize("time", ["", "now", "2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31 11:00:00Z"])
def test_a_time_is_in_the_form_that_the_api_server_takes(time: str) -> None:
    with pytest.raises(ValidationError, match="startTime"):
        Status.read({"startTime": time})
