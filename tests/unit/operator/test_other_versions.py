"""Jobs that meet another version of the operator, or of the CRD."""

from typing import Any

import pytest
from pydantic import create_model

from posefleet_api.job import Spec, parse_job
from posefleet_api.pod import PodOptions
from posefleet_api.resources import Resources
from posefleet_api.training import Checkpoint, Predict, Training
from posefleet_operator.fingerprints import data_fingerprint
from posefleet_operator.observation import UnreadableManifest
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import a_job
from unit.operator.plans import kinds, message_of

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

    assert reconcile(refused.seen()).apply == []
    assert kinds(reconcile(refused.edited().seen()))[-1] == ("Job", "reaching-prepare-2")


@pytest.mark.parametrize("job", [a_job().running_attempt(1), a_job().prepared()], ids=["running", "prepared"])
def test_a_job_that_has_begun_is_left_alone_when_a_newer_crd_adds_to_its_manifest(job) -> None:
    with pytest.raises(UnreadableManifest, match="fieldOfTomorrow"):
        reconcile(job.with_spec(**FROM_A_NEWER_CRD).seen())


def test_a_job_that_has_not_begun_is_refused_for_a_field_that_nobody_knows() -> None:
    plan = reconcile(a_job().with_spec(**FROM_A_NEWER_CRD).seen())

    assert plan.status.phase == "Failed"
    assert "fieldOfTomorrow" in message_of(plan, "Failed")
