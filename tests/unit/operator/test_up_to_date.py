"""Edits of a job while it runs: each takes effect at once, is refused, or is announced for the next attempt."""

import json
from typing import Any

import pytest

from posefleet_api.job import PoseTrainingJob, Spec, parse_job
from posefleet_operator.fingerprints import part_fingerprints
from posefleet_operator.plan import find_condition
from unit.operator.builders import a_job
from unit.operator.test_other_versions import newer_spec
from unit.operator.world import World

STORAGE = {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "other"}}
EDITS: dict[str, Any] = {
    "resources": {"nodes": 2},
    "pod": {"nodeSelector": {"rack": "b"}},
    "queue": "lab-queue",
    "storage": STORAGE,
    "predict": {"labelledVideo": False},
    "checkpoint": {"intervalSeconds": 60},
}
#: Fields whose change takes effect at once, whatever runs of the job.
LIVE = {"suspend", "failure_policy", "active_deadline_seconds", "ttl_seconds_after_finished"}


def with_running_gang() -> World:
    return World.of(a_job().with_policy(backoffSeconds=1)).bring_up()


def up_to_date(world: World) -> tuple[str, str, str]:
    condition = find_condition(world.status.conditions, "UpToDate")
    assert condition is not None
    assert condition.observed_generation == world.status.observed_generation
    return condition.status, condition.reason, condition.message


@pytest.mark.parametrize("part", EDITS)
def test_an_edit_under_a_running_gang_applies_to_the_next_attempt_and_says_so(part: str) -> None:
    world = with_running_gang()
    assert up_to_date(world)[0] == "True"
    world.edit(**{part: EDITS[part]})
    world.settle(1)

    status, reason, message = up_to_date(world)
    assert (status, reason) == ("False", "AppliesToNextAttempt")
    assert message.startswith(f"spec.{part} appl")
    assert "attempt 1 runs with the former" in message
    assert world.status.phase == "Running"
    assert world.notes("AppliesToNextAttempt") == [message]


def test_several_edits_are_named_together() -> None:
    world = with_running_gang()
    world.edit(resources={"nodes": 2}, pod={"labels": {"team": "a"}})
    world.settle(1)

    message = "spec.resources and spec.pod apply to the next attempt; attempt 1 runs with the former ones"
    assert up_to_date(world)[2] == message


def test_the_next_attempt_is_up_to_date() -> None:
    world = with_running_gang()
    world.edit(resources={"nodes": 2})
    world.settle(1)
    world.end_all(1)
    world.settle(1)
    assert up_to_date(world)[0] == "True"
    world.settle(3)
    world.run_pods()
    world.settle(1)

    assert world.objects["Job", "reaching-a2"]["spec"]["completions"] == 2
    assert (world.status.phase, up_to_date(world)[0]) == ("Running", "True")


def test_an_edit_that_is_taken_back_is_up_to_date_again() -> None:
    world = with_running_gang()
    world.edit(queue="lab-queue")
    world.settle(1)
    world.edit(queue="")
    world.settle(1)

    assert up_to_date(world)[0] == "True"


def test_pods_that_wait_are_replaced_and_other_edits_are_announced() -> None:
    world = World.of(a_job())
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle(1)
    world.edit(checkpoint={"intervalSeconds": 60})
    world.settle(1)
    assert up_to_date(world)[2] == "spec.checkpoint applies to the next attempt; attempt 1 starts with the former one"

    world.edit(pod={"labels": {"team": "a"}})
    world.settle(1)
    assert world.status.attempts[0].reason == "Replaced"


def test_an_edit_under_a_running_preparation_applies_to_the_first_attempt() -> None:
    world = World.of(a_job())
    world.settle()
    world.run_pods()
    world.settle(1)
    world.edit(resources={"nodes": 2}, queue="lab-queue")
    world.settle(1)

    message = "spec.resources applies to the first attempt; the preparation runs with the former one"
    assert up_to_date(world) == ("False", "AppliesToNextAttempt", message)
    world.end_all(0)
    world.settle(1)
    assert up_to_date(world)[0] == "True"


def test_an_upgrade_that_adds_fields_with_defaults_changes_no_part() -> None:
    manifest = a_job().manifest()
    today = part_fingerprints(parse_job(manifest).spec)
    tomorrow = newer_spec().model_validate(manifest["spec"])

    assert part_fingerprints(tomorrow) == today
    for part in ("predict", "checkpoint", "pod"):
        stored = {**manifest["spec"], part: {"fieldOfTomorrow": 7}}
        assert part_fingerprints(newer_spec().model_validate(stored)) == today


def test_a_gang_of_another_version_is_compared_by_the_parts_that_it_names() -> None:
    world = with_running_gang()
    annotations = world.objects["Job", "reaching-a1"]["metadata"]["annotations"]
    known = json.loads(annotations["posefleet.io/spec-parts"])
    annotations["posefleet.io/spec-parts"] = json.dumps({"resources": known["resources"], "tomorrow": "x"})
    world.restart_operator()
    world.edit(queue="lab-queue")
    world.settle(1)
    assert up_to_date(world)[0] == "True"

    for unreadable in ("", "[]", "{", '{"pod": 7}'):
        annotations["posefleet.io/spec-parts"] = unreadable
        world.restart_operator()
        assert world.settle(1).phase == "Running"
        assert up_to_date(world)[0] == "True"


def test_every_field_of_the_spec_takes_effect_or_is_fixed_or_is_announced() -> None:
    rules = PoseTrainingJob.model_json_schema()["x-kubernetes-validations"]
    fixed = {
        name for name in Spec.model_fields if any(f"self.spec.{name} == oldSelf" in rule["rule"] for rule in rules)
    }

    assert fixed | LIVE | EDITS.keys() == set(Spec.model_fields)
    assert not fixed & LIVE | fixed & EDITS.keys() | LIVE & EDITS.keys()
    for name in ("checkpoint.resumeFrom", "predict.videos"):
        assert any(f"spec.{name} == oldSelf" in rule["rule"] for rule in rules)
    assert list(part_fingerprints(parse_job(a_job().manifest()).spec)) == list(EDITS)


def test_fields_with_effect_at_once_leave_a_running_gang_up_to_date() -> None:
    world = with_running_gang()
    world.edit(failurePolicy={"maxFailures": 1}, activeDeadlineSeconds=5000, ttlSecondsAfterFinished=7)
    world.settle(1)
    assert up_to_date(world)[0] == "True"

    world.end_all(1)
    world.settle(1)
    assert world.status.phase == "Failed"
    assert world.settle(7).phase == "Failed"
    assert [reference.kind for reference in world.reconcile().delete] == ["PoseTrainingJob"]


def test_a_deadline_that_is_set_while_a_gang_runs_ends_it() -> None:
    world = with_running_gang()
    world.edit(activeDeadlineSeconds=1)

    assert world.settle(1).attempts[0].outcome == "DeadlineExceeded"
