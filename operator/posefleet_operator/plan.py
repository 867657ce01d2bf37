"""The plan of one reconcile: what to create and delete, the status to write, and when to reconcile again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from posefleet_api.status import MAX_ATTEMPTS, Attempt, Condition, ConditionType, Status
from posefleet_operator import reasons
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.objects import Manifest, to_timestamp
from posefleet_operator.reasons import Reason

#: The API server refuses longer messages.
MAX_MESSAGE = 1024
#: Only this many of the newest attempts keep their list of nodes, because the size of an object is limited.
_ATTEMPTS_WITH_NODES = 4


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job and is reported as a Kubernetes event.

    ``identity`` is the same whenever the same event is derived again, so that it is recorded only once.
    """

    reason: Reason
    message: str
    identity: str


@dataclass(frozen=True)
class Waiting:
    """What a job waits for, and when to look again, because no event of a watch may tell that the wait is over."""

    reason: Reason
    message: str
    #: None if only an event of a watch can end the wait.
    requeue_seconds: float | None = 30.0


@dataclass(frozen=True)
class Reference:
    """An object in the job's namespace that is to be deleted."""

    kind: Literal["Job", "ConfigMap", "Service", "PoseTrainingJob"]
    name: str
    #: Only an object with this uid is deleted. If it is empty, the object of that name is, but only if the job owns it.
    uid: str = ""


@dataclass(frozen=True)
class Release:
    """A held Job that is to start, at the version in which it was seen."""

    name: str
    uid: str
    version: int
    patch: Manifest


@dataclass(frozen=True)
class PriorityBoost:
    """What Kueue is to add to the priority of the Workload of a Job."""

    job_uid: str
    value: int


@dataclass
class Plan:
    """What one reconcile wants done.

    The steps of a reconcile write into the plan. A step that skips the remaining ones does so because they must not
    run before the new status has been written.
    """

    status: Status
    now: datetime
    generation: int
    create: list[Manifest] = field(default_factory=list)
    #: Children that are created again if somebody has deleted them. One that is there is left as it is.
    restore: list[Manifest] = field(default_factory=list)
    release: list[Release] = field(default_factory=list)
    delete: list[Reference] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    #: The request for a checkpoint that rank 0 of the running attempt is to be asked for. Empty for none.
    checkpoint_request: str = ""
    boost: PriorityBoost | None = None
    requeue_after: float | None = None
    remaining_steps_skipped: bool = False

    def update(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def update_attempt(self, **changes: Any) -> None:
        """Change fields of the newest attempt."""
        newest = self.status.attempts[-1].model_copy(update=changes)
        self.update(attempts=[*self.status.attempts[:-1], newest])

    def update_preparation(self, **changes: Any) -> None:
        """Change fields of ``status.preparation``."""
        self.update(preparation=self.status.preparation.model_copy(update=changes))

    def add_attempt(self, attempt: Attempt) -> None:
        """Append an attempt to the status, which keeps the newest ``MAX_ATTEMPTS``."""
        former = self.status.attempts[-(MAX_ATTEMPTS - 1) :]
        old, recent = former[:-_ATTEMPTS_WITH_NODES], former[-_ATTEMPTS_WITH_NODES:]
        kept = [*(past.model_copy(update={"nodes": []}) for past in old), *recent]
        self.update(current_attempt=attempt.number, attempts=[*kept, attempt])

    def condition(self, kind: ConditionType, status: bool, reason: Reason, message: str) -> None:
        """Set a condition."""
        new = Condition(
            type=kind,
            status="True" if status else "False",
            reason=reason.name,
            message=message[:MAX_MESSAGE],
            last_transition_time=to_timestamp(self.now),
            observed_generation=self.generation,
        )
        self.update(conditions=with_condition(self.status.conditions, new))

    def wait(self, kind: ConditionType, waiting: Waiting) -> None:
        """Set condition ``kind`` to False with the reason for a wait, and reconcile again when that may be over."""
        self.condition(kind, False, waiting.reason, waiting.message)
        if waiting.requeue_seconds is not None:
            self.requeue_within(waiting.requeue_seconds)

    def clear_estimates(self) -> None:
        """Remove the remaining time and the speed from the progress of a job that no longer runs."""
        if (progress := self.status.progress) is not None:
            self.update(
                progress=progress.model_copy(update={"eta": "", "eta_seconds": None, "frames_per_second": None})
            )

    def succeed(self, message: str) -> None:
        """Finish the job as Succeeded."""
        self._finish("Succeeded")
        self.condition("Running", False, reasons.SUCCEEDED, message)
        self.condition("Succeeded", True, reasons.COMPLETED, message)
        self.condition("Failed", False, reasons.COMPLETED, message)
        self.condition("Finished", True, reasons.COMPLETED, message)

    def fail(self, reason: Reason, message: str) -> None:
        """Finish the job as Failed. ``message`` says why, and what the job's author can do."""
        self._finish("Failed")
        self.condition("Running", False, reason, message)
        self.condition("Succeeded", False, reason, message)
        self.condition("Failed", True, reason, message)
        self.condition("Finished", True, reason, message)

    def delete_unfinished(self, jobs: Iterable[ChildJob]) -> None:
        """Delete those of ``jobs`` that may still have or create pods."""
        for job in jobs:
            if job.unfinished:
                self.delete_job(job)

    def delete_job(self, job: ChildJob) -> None:
        """Delete a child Job, together with its pods."""
        self.delete.append(Reference("Job", job.identity.name, job.identity.uid))

    def requeue_within(self, seconds: float) -> None:
        """Reconcile again after at most ``seconds``."""
        self.requeue_after = seconds if self.requeue_after is None else min(seconds, self.requeue_after)

    def skip_remaining_steps(self, requeue_after: float | None = None) -> None:
        """Make the current step the last one of this reconcile."""
        self.remaining_steps_skipped = True
        if requeue_after is not None:
            self.requeue_within(requeue_after)

    def _finish(self, phase: Literal["Succeeded", "Failed"]) -> None:
        self.update(phase=phase, completion_time=to_timestamp(self.now))
        self.clear_estimates()


def find_condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    """Return the condition of type ``kind``, or None if there is none."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Sequence[Condition], kind: ConditionType) -> bool:
    """Return whether the condition of type ``kind`` exists and is True."""
    condition = find_condition(conditions, kind)
    return condition is not None and condition.status == "True"


def with_condition(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """Return ``conditions`` with ``new`` added, or in the place of the condition of the same type.

    As for all Kubernetes conditions, the time of the last transition changes only when the status does.
    """
    old = find_condition(conditions, new.type)
    if old is None:
        return [*conditions, new]
    if old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return [new if condition.type == new.type else condition for condition in conditions]
