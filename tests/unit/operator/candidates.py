"""Two candidates for the lease of an operator, an API server without a network, and a clock that tests move."""

from dataclasses import replace

from posefleet_operator.cluster.election import Election
from unit.operator.builders import SETTINGS
from unit.operator.fake_cluster import FakeCluster


class Clock:
    """Seconds on a clock that only tests move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def two_candidates() -> tuple[FakeCluster, Clock, Election, Election]:
    cluster, clock = FakeCluster(), Clock()
    first, second = (Election(cluster, replace(SETTINGS, identity=name), clock) for name in ("first", "second"))
    return cluster, clock, first, second


async def tries(election: Election) -> bool:
    """Return whether the candidate holds the lease after asking for it once."""
    return await election._try()
