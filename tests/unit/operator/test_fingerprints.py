"""Which edits make a new preparation or new pods necessary."""

import re

import pytest

from posefleet_api.job import parse_job
from posefleet_operator.fingerprints import data_fingerprint, part_fingerprints
from unit.operator.builders import a_job


def test_the_fingerprint_follows_data_and_training_but_not_resources() -> None:
    def of(**spec: object) -> str:
        return data_fingerprint(parse_job(a_job().with_spec(**spec).manifest()).spec)

    assert of() == of(resources={"nodes": 4}) == of(suspend=True)
    assert of() != of(dataset={"uri": "s3://other/"})


def of_data(**spec: object) -> str:
    return data_fingerprint(parse_job(a_job().with_spec(**spec).manifest()).spec)


@pytest.mark.parametrize(
    "edit",
    [
        {"dataset": {"uri": "s3://other/"}},
        {"storage": {"endpoint": "http://other:9000"}},
        {"output": {"uri": "s3://other/"}},
        {"model": {"backbone": "resnet18"}},
        {"losses": {"temporal": {"weight": 2}}},
        {"training": {"epochs": 7}},
        {"checkpoint": {"resumeFrom": "s3://other/model"}},
        {"predict": {"labelledVideo": False}},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_every_part_that_the_preparation_depends_on_changes_the_fingerprint(edit: dict[str, object]) -> None:
    assert of_data(**edit) != of_data()


@pytest.mark.parametrize(
    "edit",
    [
        {"resources": {"nodes": 2}},
        {"pod": {"labels": {"team": "a"}}},
        {"queue": "lab"},
        {"failurePolicy": {"maxFailures": 9}},
        {"suspend": True},
        {"activeDeadlineSeconds": 5},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_nothing_else_changes_the_fingerprint(edit: dict[str, object]) -> None:
    assert of_data(**edit) == of_data()


def test_fingerprints_are_short_and_differ_from_each_other() -> None:
    spec = parse_job(a_job().manifest()).spec
    assert re.fullmatch("[0-9a-f]{16}", data_fingerprint(spec))
    assert all(re.fullmatch("[0-9a-f]{16}", part) for part in part_fingerprints(spec).values())
    assert data_fingerprint(spec) not in part_fingerprints(spec).values()
