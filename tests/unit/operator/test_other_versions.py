"""Jobs that meet another version of the operator, or of the CRD."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import create_model

from posefleet_api.job import Spec, parse_job
from posefleet_api.pod import PodOptions
from posefleet_api.resources import Resources
from posefleet_api.training import Checkpoint, Predict, Training
from posefleet_operator.fingerprints import data_fingerprint
from posefleet_operator.observation import Observation
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, a_job, a_pod, finished_job
from unit.operator.plans import condition_of, deletions, kinds, message_of, reasons, reconciled

#: The API server fills a newer CRD's defaults into every object.
FROM_A_NEWER_CRD = {"training": {"fieldOfTomorrow": 1}}

_TrainingOfTomorrow: Any = create_model("Training", __base__=Training, field_of_tomorrow=(int, 7))
_PARTS_OF_TOMORROW: dict[str, Any] = {
    name: create_model(part.__name__, __base__=part, field_of_tomorrow=(int, 7))
    for name, part in (("predict", Predict), ("checkpoint", Checkpoint), ("pod", PodOptions), ("resources", Resources))
}


def newer_spec() -> Any:
    """The model of a spec to whose parts a newer version has added a field with a default."""
    return create_model("Spec", __base__=Spec, **{name: (part, part()) for name, part in _PARTS_OF_TOMORROW.items()})


_SpecOfTomorrow: Any = create_model("Spec", __base__=Spec, training=(_TrainingOfTomorrow, _TrainingOfTomorrow()))


@pytest.mark.parametrize("training", [{}, {"epochs": 5}], ids=["defaults", "own training"])
def test_a_new_field_with_its_default_leaves_the_fingerprint_as_it_was(training: dict[str, int]) -> None:
    manifest = a_job().with_spec(training=training).manifest()
    today = data_fingerprint(parse_job(manifest).spec)

    assert data_fingerprint(_SpecOfTomorrow.model_validate(manifest["spec"])) == today
    filled_in = {**manifest["spec"], "training": {**training, "fieldOfTomorrow": 7}}
    assert data_fingerprint(_SpecOfTomorrow.model_validate(filled_in)) == today
    chosen = {**manifest["spec"], "training": {**training, "fieldOfTomorrow": 8}}
    assert data_fingerprint(_SpecOfTomorrow.model_validate(chosen)) != today


def test_a_job_refused_for_its_data_stays_refused_when_a_version_takes_fingerprints_otherwise() -> None:
    refused = (
        a_job().prepared().with_status(phase="Failed", completion_time="2026-01-31T11:59:00Z")
        .with_condition("Failed", "True", "InvalidInput")
    )  # fmt: skip
    of_old = refused.status.preparation.model_copy(update={"fingerprint": "of an older version"})
    refused = refused.with_status(preparation=of_old)

    assert reconcile(refused.seen()).create == []
    assert kinds(reconcile(refused.edited().seen()))[-1] == ("Job", "reaching-prepare-2")


@pytest.mark.parametrize("job", [a_job().running_attempt(1), a_job().prepared()], ids=["running", "prepared"])
def test_a_job_that_has_begun_is_left_as_it_is_and_told_when_a_newer_crd_adds_to_its_manifest(job: JobBuilder) -> None:
    plan = reconcile(job.with_spec(**FROM_A_NEWER_CRD).seen())

    assert (plan.create, plan.delete, plan.release) == ([], [], [])
    assert condition_of(plan, "Running")[1] == "NotUnderstood"
    assert "fieldOfTomorrow" in message_of(plan, "Running")
    assert reasons(plan) == ["NotUnderstood"]


def test_a_try_of_the_preparation_goes_on_when_a_newer_crd_adds_to_the_manifest() -> None:
    job = reconciled(a_job()).with_spec(**FROM_A_NEWER_CRD)
    plan = reconcile(job.with_child(reconciled(a_job()).prepare_manifest(1)).seen())

    assert (plan.create, plan.delete) == ([], [])


def test_an_attempt_whose_manifest_is_not_understood_still_ends_as_it_ends() -> None:
    job = a_job().running_attempt(1)
    ended = job.with_child(finished_job(job.attempt_manifest(1), "Complete")).with_pod(a_pod(job).ended(0).manifest)

    assert reconcile(ended.with_spec(**FROM_A_NEWER_CRD).seen()).status.phase == "Succeeded"


#: The status of another version, in the place of one of its fields.
UNREADABLE = [
    {"attempts": {"newest": 2}},
    {"preparation": "done"},
    {"currentAttempt": "two"},
    {"progress": {"step": "many"}},
]


def with_stored_status(job: JobBuilder, **fields: Any) -> Observation:
    manifest = job.manifest()
    return replace(job.seen(), manifest={**manifest, "status": {**manifest["status"], **fields}})


@pytest.mark.parametrize("fields", UNREADABLE, ids=str)
def test_a_status_that_cannot_be_read_is_told_and_starts_nothing(fields: dict[str, Any]) -> None:
    plan = reconcile(with_stored_status(a_job().running_attempt(1), **fields))

    assert (plan.create, plan.delete, plan.release) == ([], [], [])
    assert condition_of(plan, "Running") == ("True", "NotUnderstood")
    assert f"status.{next(iter(fields))}" in message_of(plan, "Running")
    assert reasons(plan) == ["NotUnderstood"]


@pytest.mark.parametrize("fields", UNREADABLE, ids=str)
@pytest.mark.parametrize("spec", [{"suspend": True}, {"activeDeadlineSeconds": 1}], ids=str)
def test_a_job_whose_status_cannot_be_read_is_suspended_and_ends_in_time(
    fields: dict[str, Any], spec: dict[str, Any]
) -> None:
    plan = reconcile(with_stored_status(a_job().with_spec(**spec).running_attempt(1), **fields))

    assert deletions(plan) == [("Job", "reaching-a1")]


def test_a_status_that_the_api_server_refuses_is_told_and_the_job_can_be_suspended() -> None:
    refused = replace(a_job().with_spec(suspend=True).running_attempt(1).seen(), status_refusal="gpus: Required value")
    plan = reconcile(refused)

    assert "gpus: Required value" in message_of(plan, "Running")
    assert deletions(plan) == [("Job", "reaching-a1")]


def test_a_job_that_has_not_begun_is_refused_for_a_field_that_nobody_knows() -> None:
    plan = reconcile(a_job().with_spec(**FROM_A_NEWER_CRD).seen())

    assert plan.status.phase == "Failed"
    assert "fieldOfTomorrow" in message_of(plan, "Failed")
