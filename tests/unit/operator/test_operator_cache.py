"""What the operator remembers of the cluster."""

from typing import Any

import pytest

from posefleet_api.constants import LABEL_JOB
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.objects import Manifest
from unit.operator.builders import a_job, a_pod
from unit.operator.fake_cluster import replace_from_list

KEY = ("lab", "reaching")


def at_version(manifest: Manifest, version: int, **metadata: Any) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version), **metadata}}


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    cache = Cache()
    cache.training_jobs.apply("MODIFIED", at_version(a_job().manifest(), 9))
    cache.training_jobs.apply("MODIFIED", at_version(a_job().manifest(), 8))

    held = cache.training_jobs.get(KEY)
    assert held is not None
    assert held["metadata"]["resourceVersion"] == "9"


def test_nothing_stays_of_a_job_whose_children_are_deleted() -> None:
    cache, job = Cache(), a_job()
    for number in range(100):
        manifest = at_version(job.attempt_manifest(1), 9, labels={LABEL_JOB: f"job-{number}"}, uid=f"uid-{number}")
        cache.child_jobs.apply("ADDED", manifest)
        cache.child_jobs.apply("DELETED", manifest)
    assert len(vars(cache.child_jobs)["_by_owner"]) == 0


def test_a_deleted_job_is_gone() -> None:
    cache = Cache()
    cache.training_jobs.apply("ADDED", at_version(a_job().manifest(), 9))
    cache.training_jobs.apply("DELETED", at_version(a_job().manifest(), 10))

    assert cache.training_jobs.get(KEY) is None


def test_children_are_found_by_their_job() -> None:
    cache = Cache()
    assert cache.child_jobs.apply("ADDED", a_job().attempt_manifest(1)) == KEY
    assert cache.pods.apply("ADDED", a_pod().manifest) == KEY

    assert [job.identity.name for job in cache.child_jobs.of(KEY)] == ["reaching-a1"]
    assert cache.child_jobs.of(("lab", "other")) == ()


def test_a_deleted_pod_keeps_its_last_words_until_they_are_taken_note_of() -> None:
    cache = Cache()
    cache.pods.apply("DELETED", at_version(a_pod().ended(75).manifest, 9))
    (pod,) = cache.pods.of(KEY)
    assert pod.gone
    assert not pod.active
    assert pod.end is not None
    assert pod.end.exit_code == 75

    cache.pods.prune_tombstones(KEY, lambda _: True)
    assert cache.pods.of(KEY) == ()


def test_a_list_drops_what_was_deleted_unseen() -> None:
    cache = Cache()
    cache.training_jobs.apply("ADDED", at_version(a_job().manifest(), 5))
    cache.child_jobs.apply("ADDED", at_version(a_job().attempt_manifest(1), 5))
    cache.pods.apply("ADDED", at_version(a_pod().running().manifest, 5))

    assert replace_from_list(cache.training_jobs, [], 9) == {KEY}
    assert replace_from_list(cache.child_jobs, [], 9) == {KEY}
    assert replace_from_list(cache.pods, [], 9) == {KEY}
    assert cache.training_jobs.get(KEY) is None
    assert cache.child_jobs.of(KEY) == ()
    assert [pod.gone for pod in cache.pods.of(KEY)] == [True]


def test_a_list_keeps_what_is_newer_than_itself() -> None:
    cache = Cache()
    cache.child_jobs.apply("ADDED", at_version(a_job().attempt_manifest(1), 12))
    replace_from_list(cache.child_jobs, [], 9)

    assert len(cache.child_jobs.of(KEY)) == 1


def test_a_list_does_not_bring_back_what_was_deleted_while_it_was_read() -> None:
    cache = Cache()
    manifest = at_version(a_job().attempt_manifest(1), 5)
    cache.child_jobs.apply("ADDED", manifest)
    cache.child_jobs.begin_list()
    cache.child_jobs.apply("DELETED", at_version(manifest, 10))
    replace_from_list(cache.child_jobs, [manifest], 9)

    assert cache.child_jobs.of(KEY) == ()


def test_a_list_of_one_namespace_says_nothing_of_another() -> None:
    cache = Cache()
    cache.training_jobs.apply("ADDED", at_version(a_job().manifest(), 5))
    replace_from_list(cache.training_jobs, [], 9, "elsewhere")

    assert cache.training_jobs.get(KEY) is not None


def test_a_namesake_is_another_child() -> None:
    cache = Cache()
    cache.pods.apply("ADDED", at_version(a_pod().running().manifest, 9, uid="new"))
    cache.pods.apply("DELETED", at_version(a_pod().running().manifest, 10, uid="old"))

    assert [pod.gone for pod in cache.pods.of(KEY)] == [False]


def annotated(manifest: Manifest, key: str, value: str) -> Manifest:
    annotations = {**manifest["metadata"].get("annotations", {}), key: value}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "-1", "1\n", ""])
def test_a_number_that_is_none_is_taken_for_0(number: str) -> None:
    cache = Cache()
    pod = annotated(a_pod(rank=1).manifest, "batch.kubernetes.io/job-completion-index", number)
    replace_from_list(cache.pods, [pod], 9)
    cache.child_jobs.apply("ADDED", annotated(a_job().attempt_manifest(1), "posefleet.io/gpus", number))

    assert [pod.rank for pod in cache.pods.of(KEY)] == [0]
    assert [job.gpus for job in cache.child_jobs.of(KEY)] == [0]


def test_an_object_that_cannot_be_read_costs_itself_alone(caplog) -> None:
    cache = Cache()
    good, bad = a_pod(rank=0).manifest, a_pod(rank=1).running().manifest
    unreadable = {**bad, "status": {"conditions": "none"}}
    cache.pods.apply("ADDED", at_version(bad, 5))

    assert cache.pods.apply("MODIFIED", at_version(unreadable, 6)) is None
    assert replace_from_list(cache.pods, [unreadable, good], 9) == {KEY}
    assert [pod.gone for pod in cache.pods.of(KEY)] == [False, False]
    assert "lab/reaching-a1-1-x cannot be read" in caplog.text


def test_only_the_annotations_by_which_an_author_asks_for_something_are_kept() -> None:
    cache = Cache()
    manifest = annotated(a_job().manifest(), "kubectl.kubernetes.io/last-applied-configuration", "{}")
    cache.training_jobs.apply("ADDED", annotated(manifest, "posefleet.io/retry", "1"))

    kept = cache.training_jobs.get(KEY)
    assert kept is not None
    assert kept["metadata"]["annotations"] == {"posefleet.io/retry": "1"}
