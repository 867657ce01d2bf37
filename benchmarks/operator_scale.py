"""Measures how many jobs one operator can reconcile: ``python benchmarks/operator_scale.py [--jobs N]``.

The benchmark simulates jobs in memory, from their creation to a running gang, and reconciles all of them once in each
round. A reconcile does everything that the operator does between its cache and the API server: it parses the job, fills
in the defaults, decides, and builds children and events. The benchmark prints the reconciles per second of each round,
without the time that an API server would need.
"""

import argparse
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from posefleet_api.constants import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_JOB_UID,
)
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.merge_patch import patched
from posefleet_operator.cluster.objects import Key, Manifest, to_timestamp
from posefleet_operator.observation import Observation
from posefleet_operator.reconcile import reconcile
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import TrainerDefaults

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
STORE = {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}}
SETTINGS = Settings(
    trainer_defaults=TrainerDefaults.model_validate({"storage": STORE, "resources": {"nodes": 4, "gpusPerNode": 8}})
)


@dataclass
class Cluster:
    """The objects of a simulated cluster: jobs and their children, in the cache of the operator."""

    cache: Cache = field(default_factory=Cache)
    version: int = 0
    #: The child Jobs by name, as the API server has them.
    jobs: dict[str, Manifest] = field(default_factory=dict)

    def create(self, number: int) -> None:
        """Create job number ``number``."""
        name = f"job-{number}"
        spec = {"dataset": {"uri": "s3://lab-data/mouse/"}, "output": {"uri": f"s3://lab-results/{name}/"}}
        metadata = {"name": name, "namespace": "lab", "uid": f"uid-{number}", "generation": 1}
        self.store({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec})

    def store(self, job: Manifest) -> None:
        """Store a new version of a job."""
        self.cache.training_jobs.apply("MODIFIED", self.versioned(job))

    def versioned(self, manifest: Manifest) -> Manifest:
        """Return the object with the next resourceVersion."""
        self.version += 1
        stamped = {"creationTimestamp": to_timestamp(NOW), "uid": f"object-{self.version}"} | manifest["metadata"]
        return {**manifest, "metadata": stamped | {"resourceVersion": str(self.version)}}

    def reconcile_once(self, key: Key) -> int:
        """Reconcile a job, store its status and its new Jobs, and return the number of objects that were created."""
        job = self.cache.training_jobs.get(key)
        assert job is not None
        seen = Observation(
            manifest=job, child_jobs=self.cache.child_jobs.of(key), pods=self.cache.pods.of(key), now=NOW,
            settings=SETTINGS,
        )  # fmt: skip
        plan = reconcile(seen)
        for manifest in plan.create:
            if manifest["kind"] == "Job":
                self.jobs[manifest["metadata"]["name"]] = self.versioned(manifest)
                self.cache.child_jobs.apply("ADDED", self.jobs[manifest["metadata"]["name"]])
        for release in plan.release:
            self.jobs[release.name] = self.versioned(patched(self.jobs[release.name], release.patch))
            self.cache.child_jobs.apply("MODIFIED", self.jobs[release.name])
        if plan.status != seen.status:
            self.store({**job, "status": plan.status.to_dict()})
        return len(plan.create) + len(plan.release) + len(plan.events)

    def end_preparations(self) -> None:
        """Complete every prepare Job."""
        ended = {"exitCode": 0, "finishedAt": to_timestamp(NOW), "startedAt": to_timestamp(NOW)}
        complete = {"type": "Complete", "status": "True", "lastTransitionTime": to_timestamp(NOW)}
        for key in self.cache.training_jobs:
            self._add_pods(key, 1, {"phase": "Succeeded", **_container({"terminated": ended})})
            (job,) = self.cache.child_jobs.of(key)
            finished = {**self.jobs[job.identity.name], "status": {"conditions": [complete]}}
            self.cache.child_jobs.apply("MODIFIED", self.versioned(finished))

    def run_gangs(self) -> None:
        """Set every pod of every attempt to running."""
        running = {"running": {"startedAt": to_timestamp(NOW)}}
        for key in self.cache.training_jobs:
            self._add_pods(key, 4, {"phase": "Running", "podIP": "10.0.0.1", **_container(running)})

    def _add_pods(self, key: Key, count: int, status: Manifest) -> None:
        # Children are sorted by name, so the Job of an attempt precedes that of a preparation.
        job = self.cache.child_jobs.of(key)[0]
        for rank in range(count):
            metadata = _pod_metadata(job, rank)
            pod = {"metadata": metadata, "spec": {"nodeName": f"node-{rank}"}, "status": status}
            self.cache.pods.apply("MODIFIED", self.versioned(pod))


def _pod_metadata(job: ChildJob, rank: int) -> Manifest:
    identity = job.identity
    labels = {
        LABEL_JOB: identity.owner[1],
        LABEL_JOB_UID: identity.owner_uid,
        LABEL_COMPONENT: identity.component,
        LABEL_ATTEMPT: str(identity.number),
    }
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": identity.name, "uid": identity.uid, "controller": True}
    return {
        "name": f"{identity.name}-{rank}",
        "namespace": identity.owner[0],
        "labels": labels,
        "annotations": {"batch.kubernetes.io/job-completion-index": str(rank)},
        "ownerReferences": [owner],
    }


def _container(state: Manifest) -> Manifest:
    return {"containerStatuses": [{"name": "trainer", "state": state}]}


def timed(cluster: Cluster, what: str) -> None:
    """Reconcile every job once, and print the reconciles per second, the time of each and the objects created."""
    keys = list(cluster.cache.training_jobs)
    began = time.perf_counter()
    made = sum(cluster.reconcile_once(key) for key in keys)
    seconds = time.perf_counter() - began
    print(
        f"{what:<28} {len(keys) / seconds:9.0f} per second {1000 * seconds / len(keys):7.2f} ms each {made:7d} objects"
    )


def main() -> None:
    """Run the benchmark and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    arguments = parser.parse_args()
    cluster = Cluster()
    for number in range(arguments.jobs):
        cluster.create(number)
    timed(cluster, "jobs created")
    timed(cluster, "preparations run")
    cluster.end_preparations()
    timed(cluster, "preparation ends")
    timed(cluster, "attempt is recorded")
    timed(cluster, "gang is created")
    timed(cluster, "gang is known")
    timed(cluster, "gang is released")
    cluster.run_gangs()
    timed(cluster, "gangs run")
    timed(cluster, "nothing has changed")


if __name__ == "__main__":
    main()
