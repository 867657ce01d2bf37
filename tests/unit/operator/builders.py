"""Fluent builders of the objects that the operator looks at."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from posefleet_api.constants import API_VERSION, COMPONENT_ATTEMPT, COMPONENT_PREPARE, KIND
from posefleet_api.job import PoseTrainingJob, parse_job
from posefleet_api.outcomes import ProgressReport, TerminationMessage
from posefleet_api.status import Attempt, Checkpoint, Condition, Preparation, Progress, Status
from posefleet_operator.builders.attempt_job import attempt_job, release
from posefleet_operator.builders.prepare_job import prepare_job
from posefleet_operator.cluster.ages import Ages, first_ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.merge_patch import patched
from posefleet_operator.cluster.objects import Manifest, attempt_name, from_timestamp, to_timestamp
from posefleet_operator.cluster.polling import Polling
from posefleet_operator.fingerprints import data_fingerprint
from posefleet_operator.observation import Observation, Refusal
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import TrainerDefaults

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
SETTINGS = Settings(trainer_image="trainer:test", identity="operator-1")


def ago(seconds: float) -> datetime:
    """So many seconds before ``NOW``."""
    return NOW - timedelta(seconds=seconds)


@dataclass(frozen=True)
class JobBuilder:
    """A PoseTrainingJob, its children, and what is seen of them."""

    name: str = "reaching"
    uid: str = "uid-1"
    generation: int = 1
    spec: dict[str, Any] = field(default_factory=dict)
    status: Status = field(default_factory=Status)
    child_jobs: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    report: ProgressReport | None = None
    polled_since: datetime | None = None
    #: For how long rank 0 has not answered since its report.
    silent_seconds: float = 0
    refusal: Refusal | None = None
    settings: Settings = SETTINGS

    def with_spec(self, **fields: Any) -> Self:
        """Set fields of the spec."""
        return replace(self, spec={**self.spec, **fields})

    def edited(self, **fields: Any) -> Self:
        """Its author has changed fields of the spec since it was seen last."""
        return replace(self.with_spec(**fields), generation=self.generation + 1)

    def with_gpus(self, per_node: int, nodes: int = 1) -> Self:
        """Ask for GPUs."""
        return self.with_spec(resources={"nodes": nodes, "gpusPerNode": per_node})

    def with_policy(self, **fields: int) -> Self:
        """Set fields of the failure policy."""
        return self.with_spec(failurePolicy=fields)

    def with_status(self, **fields: Any) -> Self:
        """Set fields of the status."""
        return replace(self, status=self.status.model_copy(update=fields))

    def on_a_cluster_with(self, **defaults: Any) -> Self:
        """The operator was started with these trainer defaults."""
        return replace(self, settings=replace(SETTINGS, trainer_defaults=TrainerDefaults.model_validate(defaults)))

    def with_condition(self, kind: str, status: str, reason: str) -> Self:
        """Add a condition."""
        condition = Condition(type=kind, status=status, reason=reason, last_transition_time=to_timestamp(ago(60)))
        return self.with_status(conditions=[*self.status.conditions, condition])

    def prepared(self) -> Self:
        """Its data are prepared."""
        preparation = Preparation(
            tries=1, end_time=to_timestamp(ago(100)), fingerprint=data_fingerprint(parse_job(self.manifest()).spec)
        )
        return self.with_status(
            preparation=preparation, start_time=to_timestamp(ago(200)), observed_generation=1
        ).with_condition("Prepared", "True", "Prepared")

    def after_attempts(self, *outcomes: str, reason: str = "") -> Self:
        """Attempts that have ended with these outcomes, the last one 5 seconds ago."""
        attempts = [
            Attempt(
                number=number, job_uid=self.job_uid(number),
                start_time=to_timestamp(ago(1000)), end_time=to_timestamp(ago(5)),
                outcome=outcome, reason=reason or outcome, message="why",
                start_step=number * 10, end_step=number * 10 + 9,
            )
            for number, outcome in enumerate(outcomes, 1)
        ]  # fmt: skip
        failed = sum(outcome in {"Failed", "Stalled"} for outcome in outcomes)
        return self.prepared().with_status(current_attempt=len(attempts), attempts=attempts, failed_attempts=failed)

    def with_checkpoint(self, step: int) -> Self:
        """The newest checkpoint in the store is that of this step."""
        checkpoint = Checkpoint(uri=f"s3://c/{step}", step=step, time=to_timestamp(ago(10)), sha256="0" * 64)
        return self.with_status(last_checkpoint=checkpoint)

    def running_attempt(self, number: int, started: float = 50) -> Self:
        """Attempt ``number`` runs on all its nodes since so many seconds."""
        past = self.after_attempts(*["Preempted"] * (number - 1)) if number > 1 else self.prepared()
        attempt = Attempt(
            number=number, job_uid=self.job_uid(number),
            start_time=to_timestamp(ago(started + 5)), running_time=to_timestamp(ago(started)), gpus=1,
        )  # fmt: skip
        past = past.with_status(current_attempt=number, attempts=[*past.status.attempts, attempt])
        nodes = parse_job(past.manifest()).spec.resources.nodes
        past = past.with_child(past.attempt_manifest(number))
        for rank in range(nodes):
            past = past.with_pod(a_pod(past, number, rank).running(started).manifest)
        return past.with_condition("Running", "True", "AllPodsRun")

    def job_uid(self, number: int) -> str:
        """The uid of the Job of an attempt."""
        return uid_of(attempt_name(self.name, number))

    def with_child(self, manifest: Manifest) -> Self:
        """A child Job exists; it replaces one of the same name."""
        others = tuple(c for c in self.child_jobs if c["metadata"]["name"] != manifest["metadata"]["name"])
        return replace(self, child_jobs=(*others, manifest))

    def without_children(self) -> Self:
        """Every child Job has been deleted."""
        return replace(self, child_jobs=())

    def with_pod(self, manifest: Manifest) -> Self:
        """A pod exists; it replaces one of the same name."""
        others = tuple(p for p in self.pods if p["metadata"]["name"] != manifest["metadata"]["name"])
        return replace(self, pods=(*others, manifest))

    def saying(self, report: ProgressReport) -> Self:
        """Rank 0 has reported."""
        return replace(self, report=report, polled_since=self.polled_since or ago(3600))

    def manifest(self) -> Manifest:
        """The job's manifest."""
        spec = {
            "dataset": {"uri": "s3://lab-data/mouse/"},
            "storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}},
            "output": {"uri": "s3://lab-results/reaching/"},
            **self.spec,
        }
        metadata = {
            "name": self.name, "namespace": "lab", "uid": self.uid,
            "generation": self.generation, "resourceVersion": "7",
        }  # fmt: skip
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": metadata,
            "spec": spec,
            "status": self.status.to_dict(),
        }

    def parsed(self) -> PoseTrainingJob:
        """The job as the operator sees it, with the cluster's defaults."""
        job = self.seen().job
        assert isinstance(job, PoseTrainingJob), job
        return job

    def attempt_manifest(self, number: int) -> Manifest:
        """The Job of an attempt as the API server holds it after its release."""
        released: Manifest = patched(self.held_manifest(number), release(self.parsed().spec.queue))
        return released

    def held_manifest(self, number: int) -> Manifest:
        """The Job of an attempt as the API server holds it before its release."""
        return as_stored(
            attempt_job(self.parsed(), number, self.seen().fingerprint, self.seen().spec_parts, self.settings)
        )

    def prepare_manifest(self, number: int) -> Manifest:
        """The Job of a try of the preparation as the API server holds it."""
        return as_stored(
            prepare_job(self.parsed(), number, self.seen().fingerprint, self.seen().spec_parts, self.settings)
        )

    def seen(self, now: datetime = NOW) -> Observation:
        """What a reconcile looks at, by an operator that has seen everything from its beginning."""
        child_jobs = tuple(ChildJob.read(manifest) for manifest in self.child_jobs)
        pods = tuple(ChildPod.read(manifest) for manifest in self.pods)
        return Observation(
            manifest=self.manifest(),
            child_jobs=child_jobs,
            pods=pods,
            now=now,
            settings=self.settings,
            report=self.report,
            polling=polling_of(self.report, self.polled_since, now, self.silent_seconds),
            ages=Ages(first_ages(self.status.to_dict(), child_jobs, pods, now, skew_seconds=0)),
            refusal=self.refusal,
        )


def ages_at(now: datetime, *children: ChildJob | ChildPod) -> Ages:
    """For how long children have been what they are, seen by an operator that has watched them all the time."""
    jobs = [child for child in children if isinstance(child, ChildJob)]
    pods = [child for child in children if isinstance(child, ChildPod)]
    return Ages(first_ages({}, jobs, pods, now, skew_seconds=0))


def polling_of(
    report: ProgressReport | None, polled_since: datetime | None, now: datetime, silent_seconds: float = 0
) -> Polling | None:
    """What polling has shown if every poll was answered until ``silent_seconds`` ago."""
    advanced = from_timestamp(report.last_step_time) if report is not None else None
    begun = advanced or polled_since
    if report is not None and begun is not None:
        since = (now - begun).total_seconds()
        return Polling(same_step_for=since - silent_seconds, silent_for=silent_seconds, since_advance=since)
    return Polling(silent_for=(now - polled_since).total_seconds()) if polled_since is not None else None


def a_job() -> JobBuilder:
    """A job of one node and one GPU that nobody has seen yet."""
    return JobBuilder()


def controlled_by(parent: Manifest) -> Manifest:
    """The owner reference of what a controller has created for an object."""
    metadata = parent["metadata"]
    return {
        "apiVersion": parent["apiVersion"], "kind": parent["kind"],
        "name": metadata["name"], "uid": metadata["uid"], "controller": True,
    }  # fmt: skip


def uid_of(name: str) -> str:
    """The uid of the object of that name."""
    return f"uid-of-{name}"


def as_stored(manifest: Manifest) -> Manifest:
    """A manifest with what the API server adds."""
    name = manifest["metadata"]["name"]
    added = {"uid": uid_of(name), "resourceVersion": "5", "creationTimestamp": to_timestamp(ago(60))}
    return {**manifest, "metadata": {**manifest["metadata"], **added}}


def finished_job(manifest: Manifest, condition: str, pods: int = 1, seconds_ago: float = 1, **said: str) -> Manifest:
    """A child Job that is ``Complete`` or ``Failed``, with the reason and message that its controller gives."""
    counted = {"succeeded" if condition == "Complete" else "failed": pods}
    ending = {"type": condition, "status": "True", "lastTransitionTime": to_timestamp(ago(seconds_ago)), **said}
    return {**manifest, "status": {"conditions": [ending], **counted}}


def suspended_job(manifest: Manifest) -> Manifest:
    """A child Job that Kueue holds."""
    return {**manifest, "spec": {**manifest["spec"], "suspend": True}}


def deleted_object(manifest: Manifest, seconds_ago: float = 1) -> Manifest:
    """An object on its way out."""
    return {**manifest, "metadata": {**manifest["metadata"], "deletionTimestamp": to_timestamp(ago(seconds_ago))}}


@dataclass(frozen=True)
class PodBuilder:
    """A pod of a child Job."""

    manifest: Manifest

    def _status(self, **fields: Any) -> Self:
        return replace(self, manifest={**self.manifest, "status": {**self.manifest["status"], **fields}})

    def _state(self, phase: str, state: Manifest) -> Self:
        return self._status(phase=phase, containerStatuses=[{"name": "trainer", "state": state}])

    def on_node(self, node: str) -> Self:
        """Scheduled."""
        return replace(self, manifest={**self.manifest, "spec": {"nodeName": node}})

    def unschedulable(self, message: str) -> Self:
        """No node takes it."""
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        return self._status(phase="Pending", conditions=[condition])

    def waiting(self, reason: str, message: str) -> Self:
        """Its container cannot start."""
        return self.on_node("node-1")._state("Pending", {"waiting": {"reason": reason, "message": message}})

    def unready(self, seconds: float) -> Self:
        """Since so many seconds its node has not mounted its volumes."""
        since = {
            "type": "PodReadyToStartContainers",
            "status": "False",
            "lastTransitionTime": to_timestamp(ago(seconds)),
        }
        return self.waiting("ContainerCreating", "")._status(conditions=[since])

    def running(self, seconds: float = 50) -> Self:
        """Its container runs."""
        started = {"running": {"startedAt": to_timestamp(ago(seconds))}}
        return self.on_node("node-1")._state("Running", started)._status(podIP="10.0.0.9")

    def ended(
        self, exit_code: int, said: TerminationMessage | str = "", seconds_ago: float = 2, reason: str = "Error"
    ) -> Self:
        """Its container has ended."""
        text = said if isinstance(said, str) else said.encode().decode()
        state = {
            "exitCode": exit_code, "reason": reason, "message": text,
            "startedAt": to_timestamp(ago(50)), "finishedAt": to_timestamp(ago(seconds_ago)),
        }  # fmt: skip
        phase = "Succeeded" if exit_code == 0 else "Failed"
        return (
            self.on_node("node-1").at_version(1_000_000 - round(seconds_ago * 10))._state(phase, {"terminated": state})
        )

    def at_version(self, version: int) -> Self:
        """The API server has given this state this resource version. Later states have higher ones."""
        metadata = {**self.manifest["metadata"], "resourceVersion": str(version)}
        return replace(self, manifest={**self.manifest, "metadata": metadata})

    def lost(self, reason: str, message: str = "") -> Self:
        """It failed as a whole; no container says why."""
        return self.on_node("node-1")._status(phase="Failed", reason=reason, message=message, containerStatuses=[])

    def evicted(self, message: str) -> Self:
        """Its kubelet has ended it."""
        return self._status(phase="Failed", reason="Evicted", message=message)

    def disrupted(self, reason: str = "EvictionByEvictionAPI") -> Self:
        """The cluster took it away."""
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "node is drained"}
        return self._status(conditions=[condition])

    def unreachable(self) -> Self:
        """Its node has stopped answering, and the node lifecycle controller has marked it."""
        marked = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
        return self._status(conditions=[*self.manifest["status"].get("conditions", []), *marked])

    def deleted(self, seconds_ago: float = 3) -> Self:
        """It is on its way out."""
        return replace(self, manifest=deleted_object(self.manifest, seconds_ago))

    @property
    def seen(self) -> ChildPod:
        """As the operator reads it."""
        return ChildPod.read(self.manifest)


def a_pod(
    job: JobBuilder | None = None, number: int = 1, rank: int = 0, component: str = COMPONENT_ATTEMPT
) -> PodBuilder:
    """A pod of an attempt, or of a try of the preparation, as the Job controller creates it."""
    owner = job or a_job()
    prepares = component == COMPONENT_PREPARE
    parent = owner.prepare_manifest(number) if prepares else owner.attempt_manifest(number)
    name = f"{parent['metadata']['name']}-{rank}-x"
    metadata = {
        "name": name, "namespace": "lab", "uid": f"uid-of-{name}", "resourceVersion": "6",
        "creationTimestamp": to_timestamp(ago(60)),
        "labels": parent["spec"]["template"]["metadata"]["labels"],
        "ownerReferences": [controlled_by(parent)],
        "annotations": {"batch.kubernetes.io/job-completion-index": str(rank)},
    }  # fmt: skip
    return PodBuilder(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "Pending"}}
    )


def a_report(attempt: int, step: int, seconds_ago: float = 0, start_step: int = 0) -> ProgressReport:
    """What rank 0 answers in the middle of training."""
    return ProgressReport(
        attempt=attempt, progress=Progress(stage="train", step=step, steps=100, percent=step, eta_seconds=130),
        start_step=start_step, last_step_time=to_timestamp(ago(seconds_ago)),
    )  # fmt: skip
