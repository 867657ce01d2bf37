"""Progress reports merged into a status."""

import json

import pytest

from posefleet_api.outcomes import ProgressReport, TerminationMessage
from posefleet_api.status import Artifacts, Attempt, Checkpoint, Progress, Status
from posefleet_operator.policies.progress import (
    after_report,
    after_termination,
    attempts_so_far,
    duration,
    last_step,
    newer,
    only_progress_differs,
    with_display,
)


@pytest.mark.parametrize(("seconds", "text"), [(9, "9s"), (190, "3m10s"), (7500, "2h5m"), (270_000, "3d3h")])
def test_durations_read_well(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_the_trainers_own_words_are_kept() -> None:
    assert with_display(Progress(display="video 3 of 7", eta="soon", eta_seconds=5)).display == "video 3 of 7"
    assert with_display(Progress(eta="soon", eta_seconds=5)).eta == "soon"
    assert with_display(Progress(stage="train", percent=42, eta_seconds=5)).eta == "5s"


def test_an_older_checkpoint_does_not_replace_a_newer_one() -> None:
    time = "2026-01-31T11:00:00Z"
    old, new = (Checkpoint(uri="", step=step, time=time, sha256="") for step in (10, 20))
    assert newer(old, new) == newer(new, old) == new
    assert newer(None, old) == newer(old, None) == old


def test_what_the_api_server_would_refuse_never_gets_into_a_status() -> None:
    said = {"attempt": 1, "progress": {}, "lastCheckpoint": {"uri": "", "step": 1, "time": "yesterday", "sha256": ""}}
    assert ProgressReport.read(json.dumps(said)).last_checkpoint is None
    for time in ("0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"):
        assert newer(None, Checkpoint(uri="", step=1, time=time, sha256="")) is None
    assert with_display(Progress(loss=float("nan"), frames_per_second=float("inf"))).loss is None


def test_numbers_can_wait_but_turns_cannot() -> None:
    status = Status(progress=Progress(stage="train", step=1))
    assert only_progress_differs(status, status.model_copy(update={"progress": Progress(stage="train", step=2)}))
    assert not only_progress_differs(status, status.model_copy(update={"progress": Progress(stage="predict", step=1)}))
    assert not only_progress_differs(status, status.model_copy(update={"phase": "Running"}))


@pytest.mark.parametrize("field", ["loss", "frames_per_second", "validation_pixel_error"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_cannot_hold_are_left_out_and_others_kept(field: str, value: float) -> None:
    numbers = {"loss": 1.0, "frames_per_second": 2.0, "validation_pixel_error": 3.0}
    shown = with_display(Progress(**{**numbers, field: value}))
    assert {name: getattr(shown, name) for name in numbers} == {**numbers, field: None}


def test_columns_are_filled_in_where_the_trainer_left_them_empty() -> None:
    shown = with_display(Progress(stage="predict", percent=7, eta_seconds=0))
    assert (shown.display, shown.eta) == ("predict 7%", "0s")
    assert with_display(Progress(stage="predict")).eta == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "59s"), (60, "1m0s"), (3599, "59m59s"), (3600, "1h0m"), (86_399, "23h59m"), (86_400, "1d0h")],
)
def test_durations_change_their_units_at_full_minutes_hours_and_days(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def a_status(**attempt: object) -> Status:
    former = Attempt(number=1, start_time="2026-01-31T12:00:00Z", outcome="Failed", warnings=["of the former"])
    return Status(current_attempt=2, attempts=[former, Attempt(number=2, start_time="2026-01-31T12:00:00Z", **attempt)])


def a_checkpoint(step: int, time: str = "2026-01-31T11:00:00Z", uri: str = "") -> Checkpoint:
    return Checkpoint(uri=uri, step=step, time=time, sha256="")


def test_a_report_changes_the_newest_attempt_alone() -> None:
    report = ProgressReport(
        attempt=2, start_step=30, progress=Progress(step=42), warnings=["slow"], last_checkpoint=a_checkpoint(40)
    )
    before = a_status(warnings=["old"])
    status = after_report(before, report)

    assert status.attempts[0] == before.attempts[0]
    newest = status.attempts[1]
    assert (newest.start_step, newest.end_step, newest.warnings) == (30, None, ["old", "slow"])
    assert last_step(status) == 42
    assert status.progress == with_display(report.progress)
    assert status.last_checkpoint == a_checkpoint(40)


def test_a_report_never_goes_back_to_an_older_checkpoint() -> None:
    before = a_status().model_copy(update={"last_checkpoint": a_checkpoint(40, uri="old")})

    def after(checkpoint: Checkpoint | None) -> Checkpoint | None:
        report = ProgressReport(attempt=2, progress=Progress(), last_checkpoint=checkpoint)
        return after_report(before, report).last_checkpoint

    assert after(None) == after(a_checkpoint(39)) == a_checkpoint(40, uri="old")
    assert after(a_checkpoint(40, uri="new")) == a_checkpoint(40, uri="new")


@pytest.mark.parametrize("status", [Status(), a_status().model_copy(update={"current_attempt": 3})])
def test_a_report_of_another_attempt_changes_nothing(status: Status) -> None:
    assert after_report(status, ProgressReport(attempt=2, progress=Progress())) is status


def test_a_termination_message_changes_what_it_speaks_of_and_nothing_else() -> None:
    before = a_status(start_step=5, end_step=9).model_copy(
        update={"progress": Progress(step=9), "artifacts": Artifacts(report="old"), "last_checkpoint": a_checkpoint(9)}
    )
    silent = after_termination(before, TerminationMessage(reason="Error"))
    assert silent == before

    said = TerminationMessage(
        reason="Completed", start_step=6, progress=Progress(step=12), artifacts=Artifacts(report="new"),
        last_checkpoint=a_checkpoint(12), warnings=["x"],
    )  # fmt: skip
    status = after_termination(before, said)
    assert (status.attempts[1].start_step, status.attempts[1].end_step, status.attempts[1].warnings) == (6, 12, ["x"])
    assert status.progress == with_display(Progress(step=12))
    assert (status.artifacts, status.last_checkpoint) == (Artifacts(report="new"), a_checkpoint(12))
    assert status.attempts[0] == before.attempts[0]


def test_warnings_are_kept_once_in_their_order_and_within_limits() -> None:
    def merged(*warnings: str) -> list[str]:
        report = ProgressReport(attempt=2, progress=Progress(), warnings=list(warnings))
        return after_report(a_status(warnings=["a", "b"]), report).attempts[1].warnings

    assert merged("c", "a", "c", "d") == ["a", "b", "c", "d"]
    assert merged(*map(str, range(30))) == ["a", "b", *map(str, range(14))]
    assert merged("x" * 1025) == ["a", "b", "x" * 1024]
    assert merged("x" * 1024 + "y", "x" * 1024 + "z") == ["a", "b", "x" * 1024]


def test_of_two_checkpoints_of_a_step_the_later_report_counts() -> None:
    old, new = a_checkpoint(5, uri="old"), a_checkpoint(5, uri="new")
    assert newer(old, new) == new
    before = a_status().model_copy(update={"last_checkpoint": old})
    assert after_termination(before, TerminationMessage(reason="Error", last_checkpoint=new)).last_checkpoint == new


def test_the_last_step_is_the_recorded_one_or_that_of_the_progress_since_the_first_report() -> None:
    progress = {"progress": Progress(step=42)}
    assert last_step(a_status(start_step=5, end_step=9).model_copy(update=progress)) == 9
    assert last_step(a_status(start_step=5).model_copy(update=progress)) == 42
    assert last_step(a_status().model_copy(update=progress)) is None
    assert last_step(a_status(start_step=5)) is None


def test_the_attempt_that_runs_counts_up_to_the_step_that_it_has_reached() -> None:
    running = a_status(start_step=5).model_copy(update={"progress": Progress(step=42)})
    former, newest = attempts_so_far(running)
    assert (former, newest.end_step) == (running.attempts[0], 42)
    assert attempts_so_far(Status()) == []


def test_the_last_warnings_of_an_attempt_follow_those_before() -> None:
    said = TerminationMessage(reason="Error", warnings=["b", "c"])
    assert after_termination(a_status(warnings=["a", "b"]), said).attempts[1].warnings == ["a", "b", "c"]


def test_the_time_of_a_checkpoint_is_written_as_the_api_server_wants_it() -> None:
    kept = newer(None, a_checkpoint(5, "2026-01-31T12:00:00.5+01:00"))
    assert kept is not None
    assert kept.time == "2026-01-31T11:00:00Z"
    assert newer(a_checkpoint(4), a_checkpoint(5, "0001-01-01T00:00:00Z")) == a_checkpoint(4)


def test_steps_and_checkpoints_can_wait_and_everything_else_cannot() -> None:
    status = a_status(start_step=1, end_step=2)
    later = a_status(start_step=3, end_step=4).model_copy(update={"last_checkpoint": a_checkpoint(4)})
    assert only_progress_differs(status, later)
    assert only_progress_differs(status, status.model_copy(update={"progress": Progress(stage="prepare", step=3)}))
    assert not only_progress_differs(status, status.model_copy(update={"progress": Progress(stage="train")}))
    assert not only_progress_differs(status, a_status(outcome="Failed"))
    assert not only_progress_differs(status, status.model_copy(update={"gpus": 4}))
