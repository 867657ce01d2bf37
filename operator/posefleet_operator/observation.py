"""The observation of a job: everything that one reconcile may look at."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from pydantic import ValidationError

from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.job import InvalidManifest, PoseTrainingJob, Spec, parse_job
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import FINISHED_PHASES, Attempt, Status
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.cluster.polling import Polling
from posefleet_operator.fingerprints import data_fingerprint, pod_fingerprint
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import resolved

#: An attempt that has answered within this time is known to run.
_HEARD_SECONDS = 60.0


class UnreadableStatus(ValueError):
    """This version of the operator does not understand the status, and must not write another one."""


class UnreadableManifest(ValueError):
    """This version of the operator does not understand the manifest of a job that has started.

    A newer CRD has filled in a field. What runs of the job goes on, and the operator leaves it alone.
    """


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
    #: What the API server said when it refused a child object of the job. Empty when it is time to try again.
    refusal: str = ""

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

    @property
    def deleting(self) -> bool:
        """Whether the job is being deleted."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @cached_property
    def status(self) -> Status:
        """The status as it is in the API server.

        Raises:
            UnreadableStatus: if a newer operator has written it.
        """
        try:
            return Status.read(self.manifest.get("status") or {})
        except ValidationError as error:
            raise UnreadableStatus(str(error)) from error

    @cached_property
    def job(self) -> PoseTrainingJob | InvalidManifest:
        """The job with this cluster's defaults and without its status, or what is wrong with its manifest.

        A job that has started is not ended because the defaults have changed and no longer complete it. It is
        returned as its author wrote it, and ``incomplete`` says what is missing.

        Raises:
            UnreadableManifest: if the job has started, and its manifest was valid then and is not valid now.
        """
        if isinstance(self._completed, InvalidManifest) and self._started:
            if isinstance(self._written, InvalidManifest):
                raise UnreadableManifest(str(self._written)) from self._written
            return self._written
        return self._completed

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
        It may be used only after the step that refuses invalid manifests.
        """
        assert isinstance(self._written, PoseTrainingJob)
        return data_fingerprint(self._written.spec)

    @property
    def pod_fingerprint(self) -> str:
        """Hash of what the author says about the pods. It has the same restriction as ``fingerprint``."""
        assert isinstance(self._written, PoseTrainingJob)
        return pod_fingerprint(self._written.spec)

    def pods_changed(self, job: ChildJob | None) -> bool:
        """Return whether the author has edited the pods since an unfinished child Job was created."""
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

        A pod that is gone is left out if a later one has taken its place, as when a queue admits the Job again.
        """
        mine = (pod for pod in self.pods if pod.identity.owner_uid == self.uid)
        chosen = [p for p in mine if p.identity.component == component and p.identity.number == number]
        present = [pod for pod in chosen if not (pod.gone and any(_replaces(other, pod) for other in chosen))]
        return tuple(sorted(present, key=lambda pod: (pod.rank, pod.identity.version)))

    def leftovers_of_namesake(self) -> tuple[str, ...]:
        """Return the Jobs and pods that are left of a deleted job of the same name."""
        jobs = (f"Job {job.identity.name}" for job in self.child_jobs if job.identity.owner_uid != self.uid)
        pods = (p for p in self.pods if p.identity.owner_uid != self.uid and p.active)
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
        return _numbered(self.own_jobs(COMPONENT_ATTEMPT), number)

    def prepare_job(self, number: int) -> ChildJob | None:
        """Return the child Job of a try of the preparation, or None."""
        return _numbered(self.own_jobs(COMPONENT_PREPARE), number)


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


def _numbered(jobs: tuple[ChildJob, ...], number: int) -> ChildJob | None:
    return next((job for job in jobs if job.identity.number == number), None)
