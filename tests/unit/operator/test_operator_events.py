"""Kubernetes events derived from two statuses of a job."""

import re
from dataclasses import replace

import pytest

from posefleet_api.status import Attempt, Condition, Preparation, Progress, Status
from posefleet_operator import reasons
from posefleet_operator.plan import JobEvent
from posefleet_operator.policies.events import event_manifest, events_between
from unit.operator.builders import a_job, ago


def test_the_same_change_has_the_same_event_whichever_operator_records_it() -> None:
    event = JobEvent(reasons.PREPARED, "61 frames", "prepared-1")
    seen = a_job().seen()
    first, second = event_manifest(seen, event, "one"), event_manifest(replace(seen, now=ago(-9)), event, "two")

    assert first["metadata"]["name"] == second["metadata"]["name"]
    other = event_manifest(replace(a_job(), uid="uid-2").seen(), event, "one")
    assert other["metadata"]["name"] != first["metadata"]["name"]


def test_the_name_of_an_event_is_the_same_in_every_version_of_the_operator() -> None:
    event = event_manifest(a_job().seen(), JobEvent(reasons.PREPARED, "61 frames", "prepared-1"), "one")

    assert event["metadata"]["name"] == "reaching.a35813e04da6f952"
    assert event["eventTime"] == "2026-01-31T12:00:00.000000Z"


def test_a_long_message_fits_into_an_event() -> None:
    event = event_manifest(a_job().seen(), JobEvent(reasons.ERROR, "é" * 4000, "x"), "one")

    assert len(event["note"].encode()) <= 1024


def test_a_job_whose_data_are_wrong_tells_it_once() -> None:
    wrong = Condition(
        type="Prepared",
        status="False",
        reason="InvalidInput",
        message="no labels",
        last_transition_time="2026-01-31T12:00:00Z",
    )
    failed = wrong.model_copy(update={"type": "Failed", "status": "True"})
    new = Status(phase="Failed", completion_time="2026-01-01T00:00:00Z", conditions=[wrong, failed])

    assert [event.reason.name for event in events_between(Status(), new)] == ["InvalidInput"]


def conditions(*given: tuple[str, str, str]) -> list[Condition]:
    return [
        Condition.model_validate(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": f"{reason}!",
                "lastTransitionTime": "2026-01-31T12:00:00Z",
            }
        )
        for kind, status, reason in given
    ]


def reported(old: Status, new: Status) -> list[tuple[str, str, str, str]]:
    return [(e.reason.severity, e.reason.name, e.message, e.identity) for e in events_between(old, new)]


def tried(tries: int, *given: tuple[str, str, str], **changes: object) -> Status:
    return Status(preparation=Preparation(tries=tries, **changes), conditions=conditions(*given))


def test_the_start_of_a_try_is_reported_once_and_not_during_an_outage() -> None:
    started = ("Normal", "PrepareStarted", "the data are being checked and prepared", "prepare-2")
    assert reported(tried(1), tried(2)) == [started]
    assert reported(tried(2), tried(2)) == []
    assert reported(tried(1), tried(2, unreachable=1)) == []


def test_prepared_data_are_reported_with_every_warning() -> None:
    new = tried(2, ("Prepared", "True", "Prepared"), warnings=["row 4", "row 5"])
    expected = [
        ("Normal", "Prepared", "Prepared!", "prepared-2"),
        ("Warning", "DataWarning", "row 4", "data-warning-2-0"),
        ("Warning", "DataWarning", "row 5", "data-warning-2-1"),
    ]
    assert reported(tried(2, ("Prepared", "False", "Preparing")), new) == expected
    assert reported(tried(2), new) == expected
    assert reported(new, new) == []


@pytest.mark.parametrize("reason", ["Preparing", "PodsStarting", "WaitingForQueue", "DataChanged"])
def test_the_usual_course_of_a_preparation_is_not_reported(reason: str) -> None:
    assert reported(tried(1), tried(1, ("Prepared", "False", reason))) == []


@pytest.mark.parametrize("reason", ["PrepareFailed", "SlowStart", "StoppingOldPods", "Refused", "NodeLost"])
def test_what_holds_a_preparation_up_is_reported_when_it_changes(reason: str) -> None:
    new = tried(3, ("Prepared", "False", reason))
    expected = [("Warning", reason, f"{reason}!", f"not-prepared-3-{reason}")]
    assert reported(tried(3), new) == expected
    assert reported(tried(3, ("Prepared", "False", "Preparing")), new) == expected
    assert reported(new, new) == []


def attempted(number: int, *given: tuple[str, str, str], progress: Progress | None = None, **changes: object) -> Status:
    attempt = Attempt(number=number, start_time="2026-01-31T12:00:00Z", **{"job_uid": "uid-2", **changes})
    return Status(current_attempt=number, attempts=[attempt], conditions=conditions(*given), progress=progress)


def test_an_attempt_is_reported_from_its_start_to_its_end() -> None:
    started, running = attempted(2), attempted(2, running_time="2026-01-31T12:01:00Z")
    ended = attempted(2, running_time="2026-01-31T12:01:00Z", outcome="Stalled", reason="Stalled", message="no step")
    assert reported(Status(), attempted(2, job_uid=None)) == []
    assert reported(attempted(2, job_uid=None), started) == [
        ("Normal", "AttemptStarted", "attempt 2 started", "started-2")
    ]
    assert reported(started, running) == [("Normal", "AttemptRunning", "all pods of attempt 2 run", "running-2")]
    assert reported(running, running) == []
    assert reported(running, ended) == [("Warning", "AttemptStalled", "attempt 2: Stalled: no step", "ended-2")]
    assert reported(ended, ended) == []
    assert [identity for *_, identity in reported(Status(), ended)] == ["started-2", "running-2", "ended-2"]


def test_only_new_warnings_of_an_attempt_are_reported() -> None:
    old, new = attempted(2, warnings=["a"]), attempted(2, warnings=["a", "b", "c"])
    assert reported(old, new) == [
        ("Warning", "TrainingWarning", "b", "warning-2-1"),
        ("Warning", "TrainingWarning", "c", "warning-2-2"),
    ]
    assert [identity for *_, identity in reported(Status(), old)] == ["started-2", "warning-2-0"]


def test_what_keeps_an_attempt_from_running_is_reported_when_somebody_has_to_act() -> None:
    waiting = attempted(2, ("Running", "False", "PodsStarting"))
    stuck = attempted(2, ("Running", "False", "Unschedulable"))
    expected = [("Warning", "Unschedulable", "Unschedulable!", "trouble-2-Unschedulable")]
    assert reported(waiting, stuck) == expected
    assert reported(attempted(2), stuck) == expected
    assert reported(stuck, stuck) == reported(stuck, waiting) == []


def seen_at(generation: int, reason: str) -> Status:
    status = attempted(2, ("Running", "False", reason))
    (condition,) = status.conditions
    return status.model_copy(update={"conditions": [condition.model_copy(update={"observed_generation": generation})]})


@pytest.mark.parametrize("reason", ["Refused", "NameConflict", "NotUnderstood"])
def test_the_same_refusal_of_an_edited_manifest_is_reported_again(reason: str) -> None:
    before, same, edited = seen_at(4, reason), seen_at(4, reason), seen_at(5, reason)
    assert reported(attempted(2), before) == [("Warning", reason, f"{reason}!", f"trouble-2-{reason}-4")]
    assert reported(before, edited) == [("Warning", reason, f"{reason}!", f"trouble-2-{reason}-5")]
    assert reported(before, same) == []


def test_what_an_edit_does_not_end_is_not_reported_again_after_an_edit() -> None:
    assert reported(seen_at(4, "Unschedulable"), seen_at(5, "Unschedulable")) == []


def test_an_outcome_of_another_version_of_the_operator_is_reported_as_a_failure() -> None:
    ended = attempted(2, outcome="Melted", reason="Heat", message="too hot")
    assert ("Warning", "AttemptFailed", "attempt 2: Heat: too hot", "ended-2") in reported(Status(), ended)


@pytest.mark.parametrize(
    ("stage", "reason"), [("train", "Training"), ("predict", "Predicting"), ("report", "Reporting")]
)
def test_stages_of_an_attempt_are_reported(stage: str, reason: str) -> None:
    at = attempted(2, progress=Progress.model_validate({"stage": stage}))
    expected = [("Normal", reason, f"attempt 2 has reached the stage {stage}", f"stage-2-{stage}")]
    assert reported(attempted(2), at) == expected
    assert reported(attempted(2, progress=Progress(stage="prepare")), at) == expected
    assert reported(at, at) == reported(at, attempted(2, progress=Progress(stage="prepare"))) == []
    assert reported(attempted(2), at.model_copy(update={"completion_time": "now"})) == []


def test_a_suspension_and_its_end_are_reported_once() -> None:
    none, suspending = attempted(2), attempted(2, ("Suspended", "False", "Suspending"))
    suspended, resumed = (attempted(2, ("Suspended", *rest)) for rest in (("True", "Suspended"), ("False", "Resumed")))
    assert reported(none, suspended) == [("Normal", "Suspended", "Suspended!", "suspended-True-")]
    assert reported(suspending, suspended) == [
        ("Normal", "Suspended", "Suspended!", "suspended-True-2026-01-31T12:00:00Z")
    ]
    assert reported(suspended, resumed) == [("Normal", "Resumed", "Resumed!", "suspended-False-2026-01-31T12:00:00Z")]
    assert reported(none, suspending) == reported(suspending, resumed) == reported(suspended, none) == []


def outdated(generation: int, message: str, status: str = "False") -> Status:
    whole = attempted(2, ("UpToDate", status, "AppliesToNextAttempt"))
    changes = {"observed_generation": generation, "message": message}
    return whole.model_copy(update={"conditions": [whole.conditions[0].model_copy(update=changes)]})


def test_an_edit_that_waits_for_the_next_attempt_is_reported_once() -> None:
    event = ("Normal", "AppliesToNextAttempt", "epochs: 3 to 4", "edit-5")
    before, edited = outdated(4, "seed: 1 to 2"), outdated(5, "epochs: 3 to 4")
    assert reported(attempted(2), edited) == reported(before, edited) == [event]
    assert reported(edited, edited) == reported(edited, outdated(6, "epochs: 3 to 4")) == []
    assert reported(edited, outdated(5, "it follows the manifest", "True")) == []


def finished(phase: str, *given: tuple[str, str, str]) -> Status:
    status = attempted(2, *given).model_copy(update={"phase": phase, "completion_time": "now"})
    return status.model_copy(update={"preparation": Preparation(tries=3)})


def test_the_end_of_a_job_is_reported_once() -> None:
    before = attempted(2).model_copy(update={"preparation": Preparation(tries=3)})
    good = finished("Succeeded", ("Succeeded", "True", "Completed"), ("Failed", "False", "Error"))
    bad = finished("Failed", ("Succeeded", "False", "Completed"), ("Failed", "True", "AttemptsExhausted"))
    assert reported(before, good) == [("Normal", "Succeeded", "Completed!", "finished-3-2")]
    assert reported(before, bad) == [("Warning", "AttemptsExhausted", "AttemptsExhausted!", "finished-3-2")]
    assert reported(good, good) == reported(before, before) == []
    assert reported(before, finished("Failed")) == []


def test_an_event_is_an_object_that_kubectl_shows_beside_its_job() -> None:
    event = event_manifest(a_job().seen(), JobEvent(reasons.SLOW_START, "pod x is slow", "x"), "o" * 200, order=7)

    assert event["metadata"]["namespace"] == "lab"
    assert re.fullmatch(r"reaching\.[0-9a-f]{16}", event["metadata"]["name"])
    del event["metadata"]
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-31T12:00:00.000007Z",
        "type": "Warning",
        "reason": "SlowStart",
        "action": "SlowStart",
        "note": "pod x is slow",
        "regarding": {
            "apiVersion": "posefleet.io/v1alpha1",
            "kind": "PoseTrainingJob",
            "namespace": "lab",
            "name": "reaching",
            "uid": "uid-1",
            "resourceVersion": "7",
        },
        "reportingController": "posefleet.io/operator",
        "reportingInstance": "o" * 128,
    }
    assert event_manifest(a_job().seen(), JobEvent(reasons.TRAINING, "", "x"), "o")["note"] == "Training"
