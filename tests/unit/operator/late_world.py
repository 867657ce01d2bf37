"""A cluster whose watches tell the operator late, twice or never, and whose operator may have a clock that jumps."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta

from posefleet_api.status import Status
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, Release
from unit.operator.fake_cluster import replace_from_list
from unit.operator.world import Killed, World


@dataclass
class LateWorld(World):
    """One job and its cluster. What the operator does itself it knows at once, and everything else only when told."""

    #: Kind, type and object of the events of watches that the operator has not been told yet.
    untold: deque[tuple[str, str, Manifest]] = field(default_factory=deque)
    told: list[tuple[str, Manifest]] = field(default_factory=list)
    #: How far the operator's clock is ahead.
    skew: timedelta = timedelta()
    #: The statuses that were written and that nobody has looked at yet, the oldest first.
    written: list[Status] = field(default_factory=list)

    def tell(self, count: int) -> None:
        """Tell the operator of the next events."""
        for _ in range(min(count, len(self.untold))):
            kind, event, manifest = self.untold.popleft()
            getattr(self.cache, kind).apply(event, manifest)
            self.told.append((kind, manifest))

    def tell_again(self, place: int) -> None:
        """Tell it of a state that it has already been told of, as a watch that reconnects does."""
        if self.told:
            kind, manifest = self.told[place % len(self.told)]
            getattr(self.cache, kind).apply("MODIFIED", manifest)

    def never_tell(self) -> None:
        """Lose the next event."""
        if self.untold:
            self.untold.popleft()

    def relist(self) -> None:
        """Make the operator's cache equal to the cluster, as its full lists do."""
        lists = {
            "training_jobs": [self.job],
            "child_jobs": [manifest for (kind, _), manifest in self.objects.items() if kind == "Job"],
            "pods": list(self.pods.values()),
        }
        self.untold.clear()
        for kind, manifests in lists.items():
            store = getattr(self.cache, kind)
            store.begin_list()
            replace_from_list(store, manifests, self.version)

    def reconcile_or_die(self, writes: int | None) -> None:
        """Reconcile once. After so many writes the operator is killed, and another one lists the cluster."""
        self.writes_left = float("inf") if writes is None else writes
        try:
            self.reconcile()
        except Killed:
            self.restart_operator()
            self.relist()
        self.writes_left = float("inf")

    def lose_pod(self, name: str) -> None:
        """A pod is deleted from outside, together with what it could have told. Its Job counts it as failed."""
        pod = self.pods.pop(name)
        self._tell("pods", "DELETED", self._stored(pod))
        job = name.rpartition("-")[0]
        manifest = self.objects.get(("Job", job))
        if manifest is not None and not manifest["status"].get("conditions"):
            rest = [other for other in self.pods if other.startswith(f"{job}-")]
            for other in rest:
                if self.pods[other]["status"]["phase"] in {"Pending", "Running"}:
                    self.end_pod(other, 75)
            self._finish(job, manifest, "Failed", len(rest) + 1)

    def collect_ended_pods(self) -> None:
        """The garbage collector removes pods that have ended."""
        for name, pod in list(self.pods.items()):
            if pod["status"]["phase"] in {"Succeeded", "Failed"}:
                self._tell("pods", "DELETED", self._stored(self.pods.pop(name)))

    def reconcile(self) -> Plan:
        """One reconcile, whose status is kept."""
        plan = super().reconcile()
        self.written.append(self.status)
        return plan

    def _observe(self) -> Observation:
        seen = super()._observe()
        return replace(seen, now=self.now + self.skew)

    def _release(self, release: Release) -> None:
        """The API server refuses a release of what has changed since. The operator lists the cluster and goes on."""
        held = self.objects.get(("Job", release.name), {"metadata": {}})["metadata"]
        if (held.get("uid"), held.get("resourceVersion")) != (release.uid, str(release.version)):
            raise Killed
        super()._release(release)

    def _tell(self, kind: str, event: str, manifest: Manifest) -> None:
        self.untold.append((kind, event, manifest))
