"""How the watch of children follows the cluster, and what it does when it has missed something."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from posefleet_operator.cluster import child_watch as module
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_watch import ChildWatch
from posefleet_operator.cluster.client import POD, ApiError, Kind
from posefleet_operator.cluster.mirror import Mirror
from posefleet_operator.cluster.objects import Key, Manifest
from unit.operator.builders import SETTINGS, a_job, a_pod

KEY = ("lab", "reaching")


def at_version(manifest: Manifest, version: int) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}


class Pods:
    """An API server with pods, whose watches say what the test puts into them."""

    def __init__(self, *listed: Manifest) -> None:
        self.listed = list(listed)
        self.version = 9
        self.lists = 0
        #: Each watch takes the next of these: parts of events, or an error.
        self.watches: list[list[Any]] = []
        #: The versions from which watches began.
        self.began: list[str] = []

    async def pages(self, kind: Kind, namespace: str, selector: str) -> AsyncIterator[tuple[list[Manifest], int]]:
        self.lists += 1
        for manifest in self.listed:
            yield [manifest], self.version
        yield [], self.version

    async def watch(self, kind: Kind, namespace: str, selector: str, version: str) -> AsyncIterator[list[Any]]:
        self.began.append(version)
        for part in self.watches.pop(0) if self.watches else [asyncio.Event()]:
            if isinstance(part, ApiError):
                raise part
            if isinstance(part, asyncio.Event):
                await part.wait()
            yield part


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_RETRY_SECONDS", 0.001)


async def followed(pods: Pods, cache: Cache, watches: int) -> list[Key]:
    """The jobs that were woken until so many watches had begun."""
    woken: list[Key] = []
    given: Any = pods
    running = asyncio.create_task(ChildWatch(given, POD, cache.pods, "lab").run(woken.append))
    async with asyncio.timeout(5):
        while len(pods.began) < watches:  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return woken


async def test_a_watch_goes_on_where_the_last_one_ended() -> None:
    cache, pods = Cache(), Pods(at_version(a_pod().manifest, 5))
    pods.watches = [
        [[("MODIFIED", at_version(a_pod().running().manifest, 12))], [("BOOKMARK", at_version({"metadata": {}}, 20))]]
    ]
    woken = await followed(pods, cache, 2)

    assert pods.began == ["9", "20"]
    assert pods.lists == 1
    assert woken == [KEY, KEY]
    assert [pod.running for pod in cache.pods.of(KEY)] == [True]


async def test_a_watch_that_breaks_begins_again_without_a_list() -> None:
    cache, pods = Cache(), Pods(at_version(a_pod().manifest, 5))
    pods.watches = [[ApiError(0, "Unreachable", "reset")], [ApiError(500, "Internal", "no")]]
    await followed(pods, cache, 3)

    assert pods.began == ["9", "9", "9"]
    assert pods.lists == 1


async def test_what_was_deleted_unseen_is_found_by_a_list_when_the_version_is_too_old() -> None:
    cache, pods = Cache(), Pods(at_version(a_pod().manifest, 5))
    pods.watches = [[[("BOOKMARK", at_version({"metadata": {}}, 10))], ApiError(410, "Expired", "too old")]]

    async def lists_nothing_later(*arguments: Any) -> AsyncIterator[tuple[list[Manifest], int]]:
        pods.lists += 1
        yield ([at_version(a_pod().manifest, 5)], 9) if pods.lists == 1 else ([], 30)

    pods.pages = lists_nothing_later  # type: ignore[method-assign]
    woken = await followed(pods, cache, 2)

    assert pods.began == ["9", "30"]
    assert [pod.gone for pod in cache.pods.of(KEY)] == [True]
    assert woken == [KEY, KEY]


async def test_a_list_wakes_only_jobs_whose_children_have_changed() -> None:
    cache, pods = Cache(), Pods(at_version(a_pod(rank=0).manifest, 5), at_version(a_pod(rank=1).manifest, 6))
    given: Any = pods
    watch = ChildWatch(given, POD, cache.pods, "lab")

    assert await watch.list() == {KEY}
    assert await watch.list() == set()
    pods.listed[0] = at_version(a_pod(rank=0).running().manifest, 12)
    assert await watch.list() == {KEY}


def a_mirror() -> Mirror:
    given: Any = None
    return Mirror(given, SETTINGS)


def test_a_standby_forgets_pods_whose_end_the_leader_has_recorded() -> None:
    mirror, job = a_mirror(), a_job().after_attempts("Failed")
    mirror.cache.training_jobs.apply("ADDED", at_version(job.manifest(), 5))
    mirror.cache.pods.apply("DELETED", at_version(a_pod(job).ended(1).manifest, 9))
    assert len(mirror.cache.pods.of(KEY)) == 1
    mirror._job_changed("MODIFIED", at_version(job.manifest(), 10))

    assert mirror.cache.pods.of(KEY) == ()


def test_a_standby_keeps_the_last_words_of_pods_that_nobody_has_recorded() -> None:
    mirror, job = a_mirror(), a_job().running_attempt(1)
    mirror.cache.pods.apply("DELETED", at_version(a_pod(job).ended(1).manifest, 9))
    mirror._job_changed("ADDED", at_version(job.manifest(), 10))
    assert [pod.gone for pod in mirror.cache.pods.of(KEY)] == [True]

    mirror._job_changed("DELETED", at_version(job.manifest(), 11))
    assert mirror.cache.pods.of(KEY) == ()


def test_the_event_of_an_own_write_wakes_nobody() -> None:
    mirror, woken = a_mirror(), list[Key]()
    with mirror.listening(woken.append):
        mirror._job_changed("ADDED", at_version(a_job().manifest(), 5))
        mirror.cache.training_jobs.apply("MODIFIED", at_version(a_job().manifest(), 6))
        mirror._job_changed("MODIFIED", at_version(a_job().manifest(), 6))
        assert woken == [KEY]
        mirror._job_changed("MODIFIED", at_version(a_job().manifest(), 7))

    assert woken == [KEY, KEY]
