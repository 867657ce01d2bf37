"""The observation of a job: everything that one reconcile may look at."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE, MAX_REQUEST_LENGTH
from posefleet_api.job import InvalidManifest, PoseTrainingJob, Spec, parse_job
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import FINISHED_PHASES, Attempt, Status
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.cluster.polling import Polling
from posefleet_operator.fingerprints import POD_PARTS, data_fingerprint, part_fingerprints
from posefleet_operator.reasons import Reason
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import resolved

#: An attempt that has answered within this time is known to run.
_HEARD_SECONDS = 60.0


@dataclass(frozen=True)
class Refusal:
    """Why the API server refused a child object of a job."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Observation:
    """A job, its children, the last report of its rank 0, and the time."""

    manifest: Manifest
    child_jobs: tuple[ChildJob, ...]
    pods: tuple[ChildPod, ...]
    now: datetime
    settings: Settings
    #: The last report of the newest attempt, if this operator has received one.
    report: ProgressReport | None = None
    #: What polling the newest attempt for its progress has shown. None if it has not been polled.
    polling: Polling | None = None
    #: For how long facts about the job and its children have been so.
    ages: Ages = field(default_factory=Ages)
    #: Why the API server refused a child object of the job. None when it is time to try again.
    refusal: Refusal | None = None
    #: What the API server said when it refused a pod of the newest Job. Empty if it refused none.
    pod_refusal: str = ""
    #: Place of the job in the queue of Kueue, counted from 1. None if it does not wait or if the place is not known.
    queue_position: int | None = None
    #: What the API server said when it refused to store the status. Empty when it is time to try again.
    status_refusal: str = ""

    @property
    def key(self) -> Key:
        """Namespace and name of the job."""
        return self.manifest["metadata"].get("namespace", ""), self.manifest["metadata"]["name"]

    @property
    def name(self) -> str:
        """Name of the job."""
        return self.key[1]

    @property
    def uid(self) -> str:
        """Uid of the job, which distinguishes it from other jobs of the same name."""
        return str(self.manifest["metadata"].get("uid", ""))

    @property
    def generation(self) -> int:
        """Generation of the spec."""
        return int(self.manifest["metadata"].get("generation", 0))

    def request(self, annotation: str) -> str:
        """Return what the job's author asks for by an annotation, or an empty text."""
        annotations = self.manifest["metadata"].get("annotations") or {}
        return str(annotations.get(annotation, ""))[:MAX_REQUEST_LENGTH]

    @property
    def deleting(self) -> bool:
        """Whether the job is being deleted."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def status(self) -> Status:
        """The status as it is in the API server, without the fields that this version cannot read."""
        return self._read_status[0]

    @property
    def unreadable(self) -> dict[str, str]:
        """The fields of the status that this version cannot read, with what is wrong with each."""
        return self._read_status[1]

    @cached_property
    def _read_status(self) -> tuple[Status, dict[str, str]]:
        stored = self.manifest.get("status") or {}
        try:
            return Status.read(stored), {}
        except ValidationError as error:
            wrong = {str(found["loc"][0]): _where_and_why(found) for found in error.errors(include_url=False)}
        return Status.read({name: value for name, value in stored.items() if name not in wrong}), wrong

    @property
    def not_understood(self) -> str:
        """Why this version can neither read the status nor write one. Empty if it can."""
        if self.unreadable:
            fields = "; ".join(self.unreadable.values())
            return f"this version of the operator cannot read the status of the job: {fields}"
        return self.status_refusal and f"the API server refuses the status of the job: {self.status_refusal}"

    @cached_property
    def job(self) -> PoseTrainingJob | InvalidManifest:
        """The job with this cluster's defaults and without its status, or what is wrong with its manifest.

        A job that has started is not ended because the defaults have changed and no longer complete it. It is
        returned as its author wrote it, and ``incomplete`` says what is missing. Nor is it ended because a newer CRD
        has filled in a field, which is left out then; see ``unknown_fields``.
        """
        if isinstance(self._completed, InvalidManifest) and self._started:
            return self._written
        return self._completed

    @property
    def unknown_fields(self) -> str:
        """What this version does not understand in the manifest of a job that has started. Empty if nothing."""
        return self._read_manifest[1]

    @property
    def incomplete(self) -> str:
        """What a job that has started lacks since the cluster's defaults changed. Empty if it lacks nothing."""
        return str(self._completed) if isinstance(self._completed, InvalidManifest) else ""

    @property
    def spec(self) -> Spec:
        """The spec. It may be used only after the step that refuses invalid manifests."""
        assert isinstance(self.job, PoseTrainingJob)
        return self.job.spec

    @property
    def ttl_seconds(self) -> int | None:
        """``ttlSecondsAfterFinished``, which applies even if this cluster's defaults do not complete the job."""
        return None if isinstance(self._written, InvalidManifest) else self._written.spec.ttl_seconds_after_finished

    @property
    def fingerprint(self) -> str:
        """Hash of what the preparation depends on in the author's manifest.

        It does not include the cluster's defaults, so data that are prepared stay prepared when the defaults change.
        It may be used only after the step that refuses invalid manifests. If this version does not understand the
        whole manifest, the data are taken to be as they were.
        """
        if self.unknown_fields:
            return self.status.preparation.fingerprint
        assert isinstance(self._written, PoseTrainingJob)
        return data_fingerprint(self._written.spec)

    @property
    def spec_parts(self) -> dict[str, str]:
        """Hash of each part of the author's spec. It has the same restriction as ``fingerprint``."""
        assert isinstance(self._written, PoseTrainingJob)
        return part_fingerprints(self._written.spec)

    def changed_parts(self, job: ChildJob | None) -> tuple[str, ...]:
        """Return the parts of the spec that the author has edited since an unfinished child Job was created."""
        if job is None or not job.unfinished:
            return ()
        return tuple(name for name, now in self.spec_parts.items() if job.spec_parts.get(name, now) != now)

    def pods_changed(self, job: ChildJob | None) -> bool:
        """Return whether the author has edited the pods since an unfinished child Job was created."""
        return not self.unknown_fields and any(part in POD_PARTS for part in self.changed_parts(job))

    @property
    def _written(self) -> PoseTrainingJob | InvalidManifest:
        return self._read_manifest[0]

    @cached_property
    def _read_manifest(self) -> tuple[PoseTrainingJob | InvalidManifest, str]:
        """The job as its author wrote it, and what this version has left out because it does not understand it."""
        manifest = {name: part for name, part in self.manifest.items() if name != "status"}
        try:
            return parse_job(manifest), ""
        except InvalidManifest as refusal:
            if not self._started:
                return refusal, ""
            unknown = str(refusal)
        try:
            return PoseTrainingJob.model_validate(manifest, extra="ignore"), unknown
        except ValidationError as error:
            return InvalidManifest(str(error)), ""

    @cached_property
    def _completed(self) -> PoseTrainingJob | InvalidManifest:
        if isinstance(self._written, InvalidManifest):
            return self._written
        try:
            return resolved(self._written, self.settings.trainer_defaults)
        except InvalidManifest as refusal:
            return refusal

    @property
    def _started(self) -> bool:
        return bool(self.status.preparation.tries or self.status.attempts)

    @property
    def finished(self) -> bool:
        """Whether the job has succeeded or failed."""
        return self.status.phase in FINISHED_PHASES

    def own_jobs(self, component: str) -> tuple[ChildJob, ...]:
        """Return the child Jobs of this job, ordered by number. Those of another job of the same name are left out."""
        mine = (j for j in self.child_jobs if j.identity.owner_uid == self.uid and j.identity.component == component)
        return tuple(sorted(mine, key=lambda job: job.identity.number))

    def own_pods(self, component: str, number: int) -> tuple[ChildPod, ...]:
        """Return the pods of one attempt, or of one try of the preparation, ordered by rank.

        A pod that is gone is left out if a later one has taken its place, as when a queue admits the Job again. Pods of
        a former Job of that number are left out as well. If no Job is known, all pods that it can have left are
        returned.
        """
        mine = (pod for pod in self.pods if pod.identity.owner_uid == self.uid)
        uid = self._job_uid(component, number)
        chosen = [
            pod
            for pod in mine
            if pod.identity.component == component
            and (pod.identity.controller_uid == uid if uid else pod.identity.number == number)
        ]
        present = [pod for pod in chosen if not (pod.gone and any(_replaces(other, pod) for other in chosen))]
        return tuple(sorted(present, key=lambda pod: (pod.rank, pod.identity.version)))

    def leftovers_of_namesake(self) -> tuple[str, ...]:
        """Return the Jobs and pods that still run of a deleted job of the same name."""
        theirs = (job for job in self.child_jobs if job.identity.owner_uid not in {"", self.uid})
        jobs = (f"Job {job.identity.name}" for job in theirs if not job.finished)
        pods = (p for p in self.pods if p.identity.owner_uid not in {"", self.uid} and p.active)
        return (*jobs, *(f"pod {pod.identity.name}" for pod in pods))

    def gang_size(self, attempt: Attempt) -> int:
        """Return the number of pods of an attempt, which may differ from the spec if that was edited since."""
        job = self.attempt_job(attempt.number)
        return job.completions if job is not None else len(attempt.nodes) or self.spec.resources.nodes

    def is_heard(self, attempt: Attempt) -> bool:
        """Return whether the trainer of an attempt has answered lately, whatever Kubernetes says about its node."""
        reported = self.report is not None and self.report.attempt == attempt.number
        return reported and self.polling is not None and self.polling.silent_for < _HEARD_SECONDS

    def attempt_job(self, number: int) -> ChildJob | None:
        """Return the child Job of an attempt, or None."""
        return self._child_job(COMPONENT_ATTEMPT, number)

    @property
    def newest_job(self) -> ChildJob | None:
        """The child Job of the newest attempt, or before the first one that of the newest try, or None."""
        attempt = running_attempt(self.status)
        if attempt is not None:
            return self.attempt_job(attempt.number)
        return None if self.status.attempts else self.prepare_job(self.status.preparation.tries)

    def pods_of(self, job: ChildJob) -> tuple[ChildPod, ...]:
        """Return the pods of a child Job."""
        mine = self.own_pods(job.identity.component, job.identity.number)
        return tuple(pod for pod in mine if pod.identity.controller_uid == job.identity.uid)

    def prepare_job(self, number: int) -> ChildJob | None:
        """Return the child Job of a try of the preparation, or None."""
        return self._child_job(COMPONENT_PREPARE, number)

    def _job_uid(self, component: str, number: int) -> str:
        """Return the uid of the Job of that number, whether or not it still exists, or an empty text."""
        named = {attempt.number: attempt.job_uid for attempt in self.status.attempts}.get(number)
        if component == COMPONENT_ATTEMPT and named is not None:
            return named
        job = self._child_job(component, number)
        return job.identity.uid if job is not None else ""

    def _child_job(self, component: str, number: int) -> ChildJob | None:
        """Return the Job of that number, or for an attempt the one that the status names, once it does.

        A Job that several attempts have had belongs to the last of them.
        """
        jobs = self.own_jobs(component)
        recorded = {attempt.number: attempt.job_uid for attempt in self.status.attempts}
        if component == COMPONENT_ATTEMPT and (named := recorded.get(number)) is not None:
            taken_over = any(later > number and uid == named for later, uid in recorded.items())
            return next((job for job in jobs if job.identity.uid == named and not taken_over), None)
        return next((job for job in jobs if job.identity.number == number), None)


def _where_and_why(found: Any) -> str:
    return f"{'.'.join(map(str, ('status', *found['loc'])))}: {found['msg']}"


def newest(status: Status) -> Attempt | None:
    """Return the newest attempt, or None if there is none yet."""
    return status.attempts[-1] if status.attempts else None


def running_attempt(status: Status) -> Attempt | None:
    """Return the newest attempt if it has no outcome yet, otherwise None."""
    attempt = newest(status)
    return attempt if attempt is not None and not attempt.outcome else None


def current_try(status: Status) -> int | None:
    """Return the number of the try of the preparation that has not ended yet, or None."""
    preparation = status.preparation
    return preparation.tries if preparation.tries and preparation.end_time is None else None


def _replaces(later: ChildPod, earlier: ChildPod) -> bool:
    return later.rank == earlier.rank and later.first_seen > earlier.first_seen
