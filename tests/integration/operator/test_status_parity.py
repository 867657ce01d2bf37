"""pydantic and the API server accept and refuse the same statuses.

A newer operator's status is stored in full by a newer CRD only; what this version makes of one is tested in
tests/unit/api/test_statuses.py.
"""

from copy import deepcopy
from pathlib import Path as FilePath
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client
from pydantic import ValidationError

from integration.operator.changed_manifests import ANY_FIELD, MANY, NAMESPACE, Path, fields_of, short, with_field
from posefleet_api.constants import GROUP, PLURAL, VERSION
from posefleet_api.crd import structural_schema
from posefleet_api.job import PoseTrainingJob
from posefleet_api.status import MAX_ATTEMPTS, Status

pytestmark = pytest.mark.cluster

_STATUSES = FilePath(__file__).parents[2] / "unit/api/statuses"
SAMPLE: dict[str, Any] = yaml.safe_load((_STATUSES / "v1alpha1.yaml").read_text())
NAME = "status-parity"
PATHS = fields_of(structural_schema(PoseTrainingJob)["properties"]["status"], ())
_TIME = "2026-01-31T11:00:00Z"
VALUES = (
    *ANY_FIELD,
    _TIME, "2026-01-31T11:00:00.123456+02:00", "2026-01-31T11:00:00", "2026-01-31", "2026-13-01T11:00:00Z",
    "Running", "Evaporated", "two words", "OutOfnvidia.com/gpu", "Out_of:x", "Word_", "True", "Unknown", "true",
    "x" * 128, "x" * 129, "x" * 253, "x" * 254, "é" * 1024, "😀" * 1025, "y" * 2048, "y" * 2049,
    2**53, 2**53 + 1, 1e300, 12.5,
    [{"type": "Running", "status": "True", "reason": "A", "lastTransitionTime": _TIME}] * 2,
    [{"number": n, "startTime": _TIME} for n in range(MAX_ATTEMPTS)],
    [{"number": n, "startTime": _TIME} for n in range(MAX_ATTEMPTS + 1)],
    [{"number": 1, "startTime": _TIME}] * 2,
    ["w"] * 16, ["w"] * 17, ["w"] * 64, ["w"] * 65, ["w"] * 129,
)  # fmt: skip


def refused_by_pydantic(status: dict[str, Any]) -> str:
    try:
        Status.model_validate(status)
    except ValidationError as refusal:
        return str(refusal)
    return ""


class Job:
    """A stored job, whose status is written with dry runs only."""

    def __init__(self, api: client.CustomObjectsApi) -> None:
        self._api = api
        manifest = short()
        manifest["metadata"]["name"] = NAME
        self._stored = api.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, manifest)

    def refusal(self, status: dict[str, Any]) -> str:
        """Return the reason why the API server refuses a status, or an empty text."""
        try:
            self._api.replace_namespaced_custom_object_status(
                GROUP,
                VERSION,
                NAMESPACE,
                PLURAL,
                NAME,
                {**self._stored, "status": status},
                dry_run="All",
                field_validation="Strict",
            )
        except client.ApiException as error:
            if error.status not in {400, 422}:
                raise
            return str(error.body)
        return ""


@pytest.fixture(scope="module")
def job(theatre_client: client.ApiClient) -> Any:
    api = client.CustomObjectsApi(theatre_client)
    yield Job(api)
    api.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, NAME)


def check(job: Job, status: dict[str, Any]) -> None:
    here, there = refused_by_pydantic(status), job.refusal(status)
    assert bool(here) == bool(there), f"{status}\npydantic: {here or 'accepts'}\nAPI server: {there or 'accepts'}"


@MANY
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(VALUES)), min_size=1, max_size=2))
def test_any_change_of_a_status_is_judged_alike(job: Job, changes: list[tuple[Path, Any]]) -> None:
    status = deepcopy(SAMPLE)
    for path, value in changes:
        if path[-1] == "number" and isinstance(value, float):
            # To the API server 2.0 and 2 are two keys of a map. The operator writes neither.
            continue
        with_field(status, path, value)
    check(job, status)


def test_the_status_that_is_changed_is_valid_before(job: Job) -> None:
    assert refused_by_pydantic(SAMPLE) == job.refusal(SAMPLE) == ""


def test_what_the_model_writes_is_taken(job: Job) -> None:
    assert job.refusal(Status.model_validate(SAMPLE).to_dict()) == ""
    assert job.refusal(Status().to_dict()) == ""
