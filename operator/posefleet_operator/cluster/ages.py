"""How long facts about a job and its children have been so, by the operator's own monotonic clock.

Timestamps come from the clocks of the API server, of controllers, of kubelets and of other replicas of the operator.
They differ from each other, and any of them may jump. So the operator measures how long it has seen something itself,
and uses a timestamp only for what was so before it looked first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Manifest, from_timestamp

#: The clock of another machine is trusted to be right to so many seconds.
MAX_SKEW_SECONDS: Final = 300.0

Fact = Literal["admitted", "created", "deleted", "ended", "finished", "recorded", "unmounted"]
#: A fact, and what it is about: the uid of a child, or for ``recorded`` a timestamp of the status.
Key = tuple[Fact, str]


@dataclass(frozen=True)
class Ages:
    """The seconds for which facts have been so."""

    seconds: Mapping[Key, float] = field(default_factory=dict)

    def of(self, fact: Fact, subject: str) -> float:
        """Return for how many seconds something has been so. This is 0 for what has only just been noticed."""
        return self.seconds.get((fact, subject), 0.0)

    def since(self, timestamp: str | None) -> float:
        """Return for how many seconds a timestamp has been in the status. This is 0 for a new one and for None."""
        return self.of("recorded", timestamp or "")


class Stopwatch:
    """Remembers since when facts have been so. Losing it does little harm, as after a restart of the operator."""

    def __init__(self) -> None:
        self._since: dict[Key, float] | None = None

    def update(self, first_ages: Mapping[Key, float], clock: float) -> Ages:
        """Return the age of every fact, and forget those that are no longer so.

        Args:
            first_ages: the ages of facts at the first update. What is new at a later one has just become so, whatever
                timestamps say.
            clock: reading of a monotonic clock.
        """
        known = {key: clock - age for key, age in first_ages.items()} if self._since is None else self._since
        self._since = {key: known.get(key, clock) for key in first_ages}
        return Ages({key: clock - since for key, since in self._since.items()})


def first_ages(
    status: Manifest,
    jobs: Iterable[ChildJob],
    pods: Iterable[ChildPod],
    now: datetime,
    skew_seconds: float = MAX_SKEW_SECONDS,
) -> dict[Key, float]:
    """Return the facts about a job, with their ages as far as timestamps tell them for certain.

    Args:
        status: the status of the job as the API server has it.
        jobs: its child Jobs.
        pods: its pods.
        now: the operator's wall clock.
        skew_seconds: by how much clocks of other machines may be wrong.
    """

    def age(moment: datetime | None, skew: float = skew_seconds) -> float:
        return max(0.0, (now - moment).total_seconds() - skew) if moment is not None else 0.0

    ages: dict[Key, float] = {("recorded", text): age(from_timestamp(text), 0.0) for text in _recorded(status) if text}
    for job in jobs:
        ages["created", job.identity.uid] = age(job.created)
        if job.started is not None:
            ages["admitted", job.identity.uid] = age(job.started)
        if job.finished:
            ages["finished", job.identity.uid] = age(job.finished_at)
    for pod in pods:
        uid = pod.identity.uid
        ages["created", uid] = age(pod.created)
        if pod.identity.deleted_at is not None:
            ages["deleted", uid] = age(pod.identity.deleted_at)
        if not pod.active:
            ages["ended", uid] = age(pod.end.finished_at if pod.end is not None else None)
        if pod.unready_since is not None:
            ages["unmounted", uid] = age(pod.unready_since)
    return ages


def _recorded(status: Manifest) -> Iterator[str]:
    """Yield the timestamps in a status from which something is counted, as this or another operator wrote them."""
    yield status.get("startTime") or ""
    yield status.get("completionTime") or ""
    yield (status.get("preparation") or {}).get("endTime") or ""
    for attempt in (status.get("attempts") or [])[-1:]:
        yield attempt.get("endTime") or ""
        yield attempt.get("runningTime") or ""
    yield (status.get("lastCheckpoint") or {}).get("time") or ""
