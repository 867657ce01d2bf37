"""Jobs that meet another version of the operator, or of the CRD."""

import pytest

from posefleet_operator.observation import UnreadableManifest
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import a_job
from unit.operator.plans import message_of

#: The API server fills a newer CRD's defaults into every object.
FROM_A_NEWER_CRD = {"training": {"fieldOfTomorrow": 1}}


@pytest.mark.parametrize("job", [a_job().running_attempt(1), a_job().prepared()], ids=["running", "prepared"])
def test_a_job_that_has_begun_is_left_alone_when_a_newer_crd_adds_to_its_manifest(job) -> None:
    with pytest.raises(UnreadableManifest, match="fieldOfTomorrow"):
        reconcile(job.with_spec(**FROM_A_NEWER_CRD).seen())


def test_a_job_that_has_not_begun_is_refused_for_a_field_that_nobody_knows() -> None:
    plan = reconcile(a_job().with_spec(**FROM_A_NEWER_CRD).seen())

    assert plan.status.phase == "Failed"
    assert "fieldOfTomorrow" in message_of(plan, "Failed")
