"""Kubernetes events derived from two statuses of a job."""

from dataclasses import replace

from posefleet_api.status import Condition, Status
from posefleet_operator import reasons
from posefleet_operator.plan import JobEvent
from posefleet_operator.policies.events import event_manifest, events_between
from unit.operator.builders import a_job, ago


def test_the_same_turn_has_the_same_event_whoever_tells_it() -> None:
    event = JobEvent(reasons.PREPARED, "61 frames", "prepared-1")
    seen = a_job().seen()
    first, second = event_manifest(seen, event, "one"), event_manifest(replace(seen, now=ago(-9)), event, "two")

    assert first["metadata"]["name"] == second["metadata"]["name"]
    other = event_manifest(replace(a_job(), uid="uid-2").seen(), event, "one")
    assert other["metadata"]["name"] != first["metadata"]["name"]


def test_a_long_message_fits_into_an_event() -> None:
    event = event_manifest(a_job().seen(), JobEvent(reasons.ERROR, "é" * 4000, "x"), "one")

    assert len(event["note"].encode()) <= 1024


def test_a_job_whose_data_are_wrong_tells_it_once() -> None:
    wrong = Condition(
        type="Prepared", status="False", reason="InvalidInput", message="no labels", last_transition_time=""
    )
    failed = wrong.model_copy(update={"type": "Failed", "status": "True"})
    new = Status(phase="Failed", completion_time="2026-01-01T00:00:00Z", conditions=[wrong, failed])

    assert [event.reason.name for event in events_between(Status(), new)] == ["InvalidInput"]
