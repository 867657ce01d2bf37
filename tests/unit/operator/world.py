"""A cluster made of dicts, in which whole lives of jobs are played through a reconcile at a time.

It acts as the API server, the Job controller and the kubelet do, as far as the operator can see it, and can kill the
operator after any single write.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from posefleet_api.constants import LABEL_JOB_UID
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Status
from posefleet_operator.cluster.ages import Stopwatch, first_ages
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.kueue import QUEUE_LABEL
from posefleet_operator.cluster.merge_patch import patched
from posefleet_operator.cluster.objects import Manifest, to_timestamp
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, Release
from posefleet_operator.policies.events import event_manifest
from posefleet_operator.reconcile import reconcile
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import TrainerDefaults
from unit.operator.builders import NOW, SETTINGS, JobBuilder, controlled_by, polling_of


class Killed(Exception):
    """The operator is no more."""


@dataclass
class World:
    """One job and its cluster."""

    job: Manifest
    now: datetime = NOW
    report: ProgressReport | None = None
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    events: dict[str, Manifest] = field(default_factory=dict)
    cache: Cache = field(default_factory=Cache)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    version: int = 100
    settings: Settings = SETTINGS
    #: Writes that the operator may still do before it is killed.
    writes_left: float = float("inf")
    most_gangs: int = 0

    @classmethod
    def of(cls, job: JobBuilder) -> "World":
        """A cluster with a job that was just applied."""
        world = cls(job.manifest(), settings=job.settings)
        world.job["status"] = {}
        world.cache.training_jobs.apply("ADDED", world.job)
        return world

    @property
    def status(self) -> Status:
        """As it is in the API server."""
        return Status.model_validate(self.job.get("status") or {})

    def notes(self, reason: str) -> list[str]:
        """Return the messages of the events with this reason."""
        return [event["note"] for event in self.events.values() if event["reason"] == reason]

    @property
    def reasons(self) -> list[str]:
        """Of all events, in the order in which they were recorded."""
        return [event["reason"] for event in self.events.values()]

    def edit(self, **spec: Any) -> None:
        """Change the job's spec."""
        metadata = {**self.job["metadata"], "generation": self.job["metadata"]["generation"] + 1}
        self.job = self._stored({**self.job, "metadata": metadata, "spec": {**self.job["spec"], **spec}})
        self.cache.training_jobs.apply("MODIFIED", self.job)

    def annotate(self, name: str, value: str) -> None:
        """Set an annotation of the job, which leaves its generation as it is."""
        annotations = {**(self.job["metadata"].get("annotations") or {}), name: value}
        self.job = self._stored({**self.job, "metadata": {**self.job["metadata"], "annotations": annotations}})
        self.cache.training_jobs.apply("MODIFIED", self.job)

    def restart_operator(self, **defaults: Any) -> None:
        """A new operator knows only what the API server has; it may have been given other trainer defaults."""
        if defaults:
            self.settings = replace(SETTINGS, trainer_defaults=TrainerDefaults.model_validate(defaults))
        self.cache, self.stopwatch = Cache(), Stopwatch()
        self.cache.training_jobs.apply("ADDED", self.job)
        for (kind, _), manifest in self.objects.items():
            if kind == "Job":
                self.cache.child_jobs.apply("ADDED", manifest)
        for pod in self.pods.values():
            self.cache.pods.apply("ADDED", pod)

    def reconcile(self) -> Plan:
        """One reconcile and what comes of it."""
        seen = self._observe()
        plan = reconcile(seen)
        for reference in plan.delete:
            self._write()
            self._delete(reference.kind, reference.name)
        for manifest in plan.create:
            self._write()
            self._create(manifest)
        for release in plan.release:
            self._write()
            self._release(release)
        for event in plan.events:
            self._write()
            recorded = event_manifest(seen, event, "operator")
            self.events.setdefault(recorded["metadata"]["name"], recorded)
        if plan.status != seen.status:
            self._write()
            Status.model_validate(plan.status.to_dict())
            self.job = self._stored({**self.job, "status": plan.status.to_dict()})
            self.cache.training_jobs.apply("MODIFIED", self.job)
        return plan

    def settle(self, seconds: float = 0) -> Status:
        """Let time pass, then reconcile until nothing changes any more."""
        self.now += timedelta(seconds=seconds)
        for _ in range(50):
            before = self.version
            self.reconcile()
            self._job_controller()
            if self.version == before:
                return self.status
        raise AssertionError("the operator does not come to rest")

    def bring_up(self) -> "World":
        """From apply until the gang of the first attempt runs."""
        self.settle()
        self.run_pods()
        self.end_all(0)
        self.settle()
        self.run_pods()
        self.settle(1)
        return self

    def run_pods(self) -> None:
        """The kubelets start every pod that is to run."""
        self._job_controller()
        for pod in list(self.pods.values()):
            if pod["status"]["phase"] == "Pending":
                state = {"running": {"startedAt": to_timestamp(self.now)}}
                self._set_pod(pod, phase="Running", podIP="10.0.0.1", containerStatuses=[_container(state)])

    def end_pod(self, name: str, exit_code: int, text: str = "") -> None:
        """A pod's container ends."""
        ended = {
            "exitCode": exit_code, "message": text, "reason": "Error" if exit_code else "Completed",
            "startedAt": to_timestamp(self.now), "finishedAt": to_timestamp(self.now),
        }  # fmt: skip
        phase = "Failed" if exit_code else "Succeeded"
        self._set_pod(self.pods[name], phase=phase, containerStatuses=[_container({"terminated": ended})])

    def end_all(self, exit_code: int, text: str = "") -> None:
        """Every pod that runs ends."""
        for name in self.running_pods():
            self.end_pod(name, exit_code, text)
        self._job_controller()

    def running_pods(self) -> list[str]:
        """Pods whose processes run."""
        return [name for name, pod in self.pods.items() if pod["status"]["phase"] in {"Pending", "Running"}]

    def finish_deletions(self) -> None:
        """Pods that were asked to end write a checkpoint and end; then everything that was deleted is gone."""
        for name in self.running_pods():
            if "deletionTimestamp" in self.pods[name]["metadata"]:
                self.end_pod(name, 75)
        for name, pod in list(self.pods.items()):
            if "deletionTimestamp" in pod["metadata"]:
                self._tell("pods", "DELETED", self.pods.pop(name))
        for key, manifest in list(self.objects.items()):
            if "deletionTimestamp" in manifest["metadata"]:
                self._tell("child_jobs", "DELETED", self._stored(self.objects.pop(key)))

    def queue_admits(self, number: int) -> None:
        """Kueue lets the Job of an attempt make its pods."""
        self._set_suspended(number, False)
        self.run_pods()

    def queue_preempts(self, number: int) -> None:
        """Kueue suspends the Job of an attempt, and its pods write a checkpoint and end."""
        self._set_suspended(number, True)
        for name in self.running_pods():
            self.pods[name] = self._marked(self.pods[name])
        self.finish_deletions()

    def _set_suspended(self, number: int, suspended: bool) -> None:
        key = ("Job", f"{self.job['metadata']['name']}-a{number}")
        assert self.objects[key]["metadata"]["labels"][QUEUE_LABEL]
        self.objects[key] = self._stored(patched(self.objects[key], {"spec": {"suspend": suspended}}))
        self._tell("child_jobs", "MODIFIED", self.objects[key])

    def delete_job_of_attempt(self, number: int) -> None:
        """Somebody deletes the Job of an attempt."""
        self._delete("Job", f"{self.job['metadata']['name']}-a{number}")

    def _observe(self) -> Observation:
        key = ("lab", self.job["metadata"]["name"])
        manifest = self.cache.training_jobs.get(key)
        assert manifest is not None
        child_jobs, pods = self.cache.child_jobs.of(key), self.cache.pods.of(key)
        facts = first_ages(manifest.get("status") or {}, child_jobs, pods, self.now)
        return Observation(
            manifest=manifest, child_jobs=child_jobs, pods=pods,
            now=self.now, settings=self.settings, report=self.report, polling=polling_of(self.report, NOW, self.now),
            ages=self.stopwatch.update(facts, (self.now - NOW).total_seconds()),
        )  # fmt: skip

    def _tell(self, kind: str, event: str, manifest: Manifest) -> None:
        """A watch tells the operator of a change that it has not made itself."""
        getattr(self.cache, kind).apply(event, manifest)

    def _write(self) -> None:
        if self.writes_left <= 0:
            raise Killed
        self.writes_left -= 1

    def _create(self, manifest: Manifest) -> None:
        key = (manifest["kind"], manifest["metadata"]["name"])
        held = self.objects.get(key)
        if held is None or held.get("data") != manifest.get("data"):
            self.objects[key] = self._stored({**manifest, "status": {}})
        if key[0] == "Job":
            self.cache.child_jobs.apply("ADDED", self.objects[key])

    def _release(self, release: Release) -> None:
        key = ("Job", release.name)
        held = self.objects[key]["metadata"]
        assert (held["uid"], held["resourceVersion"]) == (release.uid, str(release.version))
        self.objects[key] = self._stored(patched(self.objects[key], release.patch))
        self.cache.child_jobs.apply("MODIFIED", self.objects[key])
        gangs = {n for _, n in self._live_jobs()} | {pod.rpartition("-")[0] for pod in self.running_pods()}
        self.most_gangs = max(self.most_gangs, len({name for name in gangs if "-prepare-" not in name}))

    def _live_jobs(self) -> list[tuple[str, str]]:
        return [
            (kind, name)
            for (kind, name), manifest in self.objects.items()
            if kind == "Job" and not manifest["status"].get("conditions")
        ]

    def _delete(self, kind: str, name: str) -> None:
        manifest = self.objects.get((kind, name))
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            return
        if kind != "Job":
            del self.objects[kind, name]
            return
        self.objects[kind, name] = self._marked(manifest)
        self._tell("child_jobs", "MODIFIED", self.objects[kind, name])
        for pod_name, pod in list(self.pods.items()):
            if pod_name.startswith(f"{name}-"):
                self.pods[pod_name] = self._marked(pod)
                self._tell("pods", "MODIFIED", self.pods[pod_name])

    def _marked(self, manifest: Manifest) -> Manifest:
        return self._stored(
            {**manifest, "metadata": {**manifest["metadata"], "deletionTimestamp": to_timestamp(self.now)}}
        )

    def _job_controller(self) -> None:
        for _, name in self._live_jobs():
            job = self.objects["Job", name]
            if "deletionTimestamp" in job["metadata"]:
                continue
            pods = [pod for pod_name, pod in self.pods.items() if pod_name.startswith(f"{name}-")]
            if not pods and not job["spec"].get("suspend"):
                self._create_pods(name, job)
            self._judge(name, job, pods)

    def _judge(self, name: str, job: Manifest, pods: list[Manifest]) -> None:
        phases = [pod["status"]["phase"] for pod in pods]
        if "Failed" in phases:
            for pod in pods:
                if pod["status"]["phase"] == "Running":
                    self.end_pod(pod["metadata"]["name"], 75)
            self._finish(name, job, "Failed", len(pods))
        elif phases and set(phases) == {"Succeeded"}:
            self._finish(name, job, "Complete", len(pods))

    def _finish(self, name: str, job: Manifest, condition: str, pods: int) -> None:
        ending = {"type": condition, "status": "True", "lastTransitionTime": to_timestamp(self.now)}
        self.objects["Job", name] = self._stored({**job, "status": {"conditions": [ending], "failed": pods}})
        self._tell("child_jobs", "MODIFIED", self.objects["Job", name])

    def _create_pods(self, name: str, job: Manifest) -> None:
        for rank in range(job["spec"]["completions"]):
            pod_name = f"{name}-{rank}"
            metadata = {
                "name": pod_name, "namespace": "lab", "uid": f"{pod_name}-{self.version}",
                "creationTimestamp": to_timestamp(self.now),
                "labels": job["spec"]["template"]["metadata"]["labels"],
                "ownerReferences": [controlled_by(job)],
                "annotations": {"batch.kubernetes.io/job-completion-index": str(rank)},
            }  # fmt: skip
            assert metadata["labels"][LABEL_JOB_UID] == self.job["metadata"]["uid"]
            pod = {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": "Pending"}}
            self._set_pod(pod)

    def _set_pod(self, pod: Manifest, **status: Any) -> None:
        name = pod["metadata"]["name"]
        self.pods[name] = self._stored({**pod, "status": {**pod["status"], **status}})
        self._tell("pods", "MODIFIED", self.pods[name])

    def _stored(self, manifest: Manifest) -> Manifest:
        self.version += 1
        metadata = {"uid": f"uid-{self.version}", "creationTimestamp": to_timestamp(self.now), **manifest["metadata"]}
        return {**manifest, "metadata": {**metadata, "resourceVersion": str(self.version)}}


def _container(state: Manifest) -> Manifest:
    return {"name": "trainer", "state": state}
