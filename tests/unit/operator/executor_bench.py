"""What the tests of the executor work with."""

from dataclasses import replace

from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.executor import Executor
from posefleet_operator.observation import Observation
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder
from unit.operator.fake_cluster import FakeCluster

KEY = ("lab", "reaching")


class Bench:
    """An executor with a cluster of dicts and a cache of one job."""

    def __init__(self, job: JobBuilder) -> None:
        self.cluster, self.cache = FakeCluster(), Cache()
        self.cluster.put(job.manifest())
        self.cache.training_jobs.apply("ADDED", self.cluster.objects["PoseTrainingJob", "reaching"])
        self.leads = True
        self.executor = Executor(self.cluster, self.cache, self._may_write, "operator-1")
        self.builder = job

    def _may_write(self) -> None:
        if not self.leads:
            raise NotLeading

    def seen(self) -> Observation:
        manifest = self.cache.training_jobs.get(KEY)
        assert manifest is not None
        return replace(self.builder.seen(), manifest=manifest, child_jobs=self.cache.child_jobs.of(KEY))

    async def reconcile(self) -> None:
        seen = self.seen()
        await self.executor.execute(seen, reconcile(seen), write_status=True)
