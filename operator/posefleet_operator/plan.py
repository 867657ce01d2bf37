"""What a reconcile wants done."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from posefleet_api.status import Attempt, Condition, ConditionType, Status
from posefleet_operator.children import Manifest
from posefleet_operator.policies.conditions import with_condition
from posefleet_operator.policies.turns import Turn
from posefleet_operator.timestamps import to_timestamp

#: The API server refuses longer texts.
MAX_MESSAGE = 1024
MAX_ATTEMPTS = 256
_WITH_NODES = 16


@dataclass(frozen=True)
class Reference:
    """An object of the job's namespace that is to be deleted."""

    kind: Literal["Job", "ConfigMap", "Service", "PoseTrainingJob"]
    name: str
    #: Delete this very object and no namesake; empty for whichever has the name.
    uid: str = ""


@dataclass
class Plan:
    """Objects to apply and to delete, the status to write, the events to tell, and when to look again.

    The steps of a reconcile write into it; one that sets ``settled`` is the last, because what comes next must
    wait until the status is written.
    """

    status: Status
    now: datetime
    generation: int
    apply: list[Manifest] = field(default_factory=list)
    delete: list[Reference] = field(default_factory=list)
    events: list[Turn] = field(default_factory=list)
    wake_after: float | None = None
    settled: bool = False

    def update(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def update_attempt(self, **changes: Any) -> None:
        """Change fields of the newest attempt."""
        newest = self.status.attempts[-1].model_copy(update=changes)
        self.update(attempts=[*self.status.attempts[:-1], newest])

    def add_attempt(self, attempt: Attempt) -> None:
        """Begin an attempt. Only the newest stay in the status, and the nodes of fewer: an object has its limits."""
        former = self.status.attempts[-(MAX_ATTEMPTS - 1) :]
        old, recent = former[:-_WITH_NODES], former[-_WITH_NODES:]
        kept = [*(past.model_copy(update={"nodes": []}) for past in old), *recent]
        self.update(attempt=attempt.number, attempts=[*kept, attempt])

    def condition(self, kind: ConditionType, status: bool, reason: str, message: str) -> None:
        """Set a condition."""
        conditions = with_condition(
            self.status.conditions,
            Condition(
                type=kind,
                status="True" if status else "False",
                reason=reason,
                message=message[:MAX_MESSAGE],
                last_transition_time=to_timestamp(self.now),
                observed_generation=self.generation,
            ),
        )
        self.update(conditions=conditions)

    def wake(self, seconds: float) -> None:
        """Look again after at most so many seconds."""
        self.wake_after = seconds if self.wake_after is None else min(seconds, self.wake_after)

    def settle(self, wake_after: float | None = None) -> None:
        """Let no further step run before the status is written."""
        self.settled = True
        if wake_after is not None:
            self.wake(wake_after)
