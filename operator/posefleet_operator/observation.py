"""All that one reconcile may look at."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from pydantic import ValidationError

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.job import InvalidManifest, PoseTrainingJob, Spec, parse_job
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import FINISHED_PHASES, Attempt, Status
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.fingerprints import data_fingerprint, pod_fingerprint
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import resolved


class UnreadableStatus(ValueError):
    """A status that this version of the operator does not understand; nothing may be done on top of it."""


class UnreadableManifest(ValueError):
    """The manifest of a job that has begun, with what this version of the operator does not understand: a newer CRD
    has filled in a field. What runs goes on, and nothing may be done to it."""


@dataclass(frozen=True)
class Observation:
    """A job, its children, what its rank 0 says, and the time."""

    manifest: Manifest
    child_jobs: tuple[ChildJob, ...]
    pods: tuple[ChildPod, ...]
    now: datetime
    settings: Settings
    #: Of the newest attempt, if this operator has heard from it.
    report: ProgressReport | None = None
    #: When this operator began to ask the newest attempt for its progress.
    polled_since: datetime | None = None
    #: When this operator heard, by its own clock, that the newest attempt had got on.
    advanced_at: datetime | None = None
    #: What the API server said when it refused a child that the job needs; empty when it is time to try again.
    refusal: str = ""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.manifest["metadata"].get("namespace", ""), self.manifest["metadata"]["name"]

    @property
    def name(self) -> str:
        """The job's name."""
        return self.key[1]

    @property
    def uid(self) -> str:
        """The job's uid; another job of the same name has another."""
        return str(self.manifest["metadata"].get("uid", ""))

    @property
    def generation(self) -> int:
        """Of the spec."""
        return int(self.manifest["metadata"].get("generation", 0))

    @property
    def deleting(self) -> bool:
        """Whether the job is on its way out."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @cached_property
    def status(self) -> Status:
        """The status as it is in the API server.

        Raises:
            UnreadableStatus: for one that a newer operator wrote.
        """
        try:
            return Status.model_validate(self.manifest.get("status") or {})
        except ValidationError as error:
            raise UnreadableStatus(str(error)) from error

    @cached_property
    def job(self) -> PoseTrainingJob | InvalidManifest:
        """The job without its status, with this cluster's defaults; or what is wrong with its manifest.

        Defaults that changed so that they no longer complete a job which has begun do not end it: it stays as
        written, and ``incomplete`` says what is missing.

        Raises:
            UnreadableManifest: for one of a job that has begun and was understood then.
        """
        if isinstance(self._completed, InvalidManifest) and self._begun:
            if isinstance(self._written, InvalidManifest):
                raise UnreadableManifest(str(self._written)) from self._written
            return self._written
        return self._completed

    @property
    def incomplete(self) -> str:
        """What a job that has begun lacks since the cluster's defaults changed; empty if nothing."""
        return str(self._completed) if isinstance(self._completed, InvalidManifest) else ""

    @property
    def spec(self) -> Spec:
        """The spec; only after the step that refuses invalid manifests."""
        assert isinstance(self.job, PoseTrainingJob)
        return self.job.spec

    @property
    def ttl_seconds(self) -> int | None:
        """``ttlSecondsAfterFinished``, of a job that this cluster's defaults do not complete, too."""
        return None if isinstance(self._written, InvalidManifest) else self._written.spec.ttl_seconds_after_finished

    @property
    def fingerprint(self) -> str:
        """Of what the author asks to be prepared; only after the step that refuses invalid manifests.

        The cluster's defaults are no part of it: when they change, nothing that is prepared is prepared again.
        """
        assert isinstance(self._written, PoseTrainingJob)
        return data_fingerprint(self._written.spec)

    @property
    def pod_fingerprint(self) -> str:
        """Of what the author says of the pods; only after the step that refuses invalid manifests."""
        assert isinstance(self._written, PoseTrainingJob)
        return pod_fingerprint(self._written.spec)

    def pods_changed(self, job: ChildJob | None) -> bool:
        """Whether the author has changed what shapes the pods since a child Job was made that is not ended yet."""
        return job is not None and job.unfinished and job.pod_fingerprint not in {"", self.pod_fingerprint}

    @cached_property
    def _written(self) -> PoseTrainingJob | InvalidManifest:
        try:
            return parse_job({name: part for name, part in self.manifest.items() if name != "status"})
        except InvalidManifest as refusal:
            return refusal

    @cached_property
    def _completed(self) -> PoseTrainingJob | InvalidManifest:
        if isinstance(self._written, InvalidManifest):
            return self._written
        try:
            return resolved(self._written, self.settings.trainer_defaults)
        except InvalidManifest as refusal:
            return refusal

    @property
    def _begun(self) -> bool:
        return bool(self.status.preparation.tries or self.status.attempts)

    @property
    def finished(self) -> bool:
        """Whether the job succeeded or failed."""
        return self.status.phase in FINISHED_PHASES

    def own_jobs(self, component: str) -> tuple[ChildJob, ...]:
        """The child Jobs of this very job, by number."""
        mine = (j for j in self.child_jobs if j.identity.owner_uid == self.uid and j.identity.component == component)
        return tuple(sorted(mine, key=lambda job: job.identity.number))

    def own_pods(self, component: str, number: int) -> tuple[ChildPod, ...]:
        """The pods of one attempt or of one try of the prepare Job, by rank.

        Pods of a former Job of that number, and pods that a queue took before it admitted the Job anew, have no part
        in what its present pods do.
        """
        mine = (pod for pod in self.pods if pod.identity.owner_uid == self.uid)
        chosen = [p for p in mine if p.identity.component == component and p.identity.number == number]
        job = _numbered(self.own_jobs(component), number)
        present = [
            p for p in chosen if not (p.gone and job is not None and _before(p.created, job.started or job.created))
        ]
        return tuple(sorted(present, key=lambda pod: (pod.rank, pod.identity.version)))

    def leftovers_of_namesake(self) -> tuple[str, ...]:
        """What still lives of a deleted job of the same name."""
        jobs = (f"Job {job.identity.name}" for job in self.child_jobs if job.identity.owner_uid != self.uid)
        pods = (p for p in self.pods if p.identity.owner_uid != self.uid and p.active)
        return (*jobs, *(f"pod {pod.identity.name}" for pod in pods))

    def gang_size(self, attempt: Attempt) -> int:
        """The number of pods of an attempt. The spec may have changed since it was created."""
        job = self.attempt_job(attempt.number)
        return job.completions if job is not None else len(attempt.nodes) or self.spec.resources.nodes

    def attempt_job(self, number: int) -> ChildJob | None:
        """The child Job of an attempt."""
        return _numbered(self.own_jobs(COMPONENT_ATTEMPT), number)

    def prepare_job(self, number: int) -> ChildJob | None:
        """The child Job of a try of the preparation."""
        return _numbered(self.own_jobs(COMPONENT_PREPARE), number)


def newest(status: Status) -> Attempt | None:
    """The newest attempt."""
    return status.attempts[-1] if status.attempts else None


def running_attempt(status: Status) -> Attempt | None:
    """The newest attempt, if it has no outcome yet."""
    attempt = newest(status)
    return attempt if attempt is not None and not attempt.outcome else None


def _before(created: datetime | None, started: datetime | None) -> bool:
    return created is not None and started is not None and created < started


def _numbered(jobs: tuple[ChildJob, ...], number: int) -> ChildJob | None:
    return next((job for job in jobs if job.identity.number == number), None)
