"""What decides that a running attempt is stalled, or that nobody knows whether it is.

All times are the operator's own, because the clocks of nodes differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from posefleet_api.constants import COMPONENT_ATTEMPT, TRAINER_PORT
from posefleet_api.status import Attempt
from posefleet_operator import reasons
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.observation import Observation
from posefleet_operator.policies.exit_outcomes import Ending, ending_of_disrupted_gang
from posefleet_operator.policies.progress import duration


@dataclass(frozen=True)
class StallCheck:
    """Whether a running attempt is stalled. Exactly one of the fields says so."""

    #: The attempt is not stalled, and cannot be before this many seconds have passed.
    seconds_left: float = 0.0
    #: The attempt is stalled, or lost with its node, and is to be ended.
    ending: Ending | None = None
    #: Nobody knows, because its progress cannot be read. This is the message for the condition.
    unknown: str = ""


def check_stall(seen: Observation, attempt: Attempt, running_since: datetime) -> StallCheck:
    """Decide whether an attempt whose pods all run is stalled.

    Missing progress reports are no evidence of a stall, because training does not need the operator: an attempt whose
    progress was never read is left alone. It is ended all the same when one of its pods should have ended as long ago,
    as on a lost node.
    """
    limit = seen.spec.failure_policy.stall_seconds
    report = seen.report if seen.report is not None and seen.report.attempt == attempt.number else None
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    deletions = [pod.identity.deleted_at for pod in pods if pod.identity.deleted_at is not None]
    since = running_since if report is not None else max([running_since, *deletions])
    advanced_at = seen.advanced_at if report is not None else None
    left = (stalls_at(since, seen.polled_since, advanced_at, limit) - seen.now).total_seconds()
    if left > 0:
        return StallCheck(seconds_left=left)
    if report is None and not deletions:
        return StallCheck(unknown=_progress_unknown_message(pods, limit))
    return StallCheck(ending=ending_of_disrupted_gang(pods, seen.gang_size(attempt)) or _stall_ending(limit))


def stalls_at(
    running_since: datetime, polled_since: datetime | None, advanced_at: datetime | None, stall_seconds: int
) -> datetime:
    """Return when the attempt counts as stalled unless it is seen to advance before.

    Args:
        running_since: when all its pods ran.
        polled_since: when this operator began to poll it. An operator that has just started has seen no step, so it
            gives the attempt the whole time once more.
        advanced_at: when this operator last saw it advance.
        stall_seconds: ``failurePolicy.stallSeconds``.
    """
    return max(running_since, advanced_at or polled_since or running_since) + timedelta(seconds=stall_seconds)


def _stall_ending(stall_seconds: int) -> Ending:
    text = f"no step finished for {duration(stall_seconds)} (failurePolicy.stallSeconds); {reasons.STALLED.remedy}"
    return Ending.of(reasons.STALLED, text)


def _progress_unknown_message(pods: Sequence[ChildPod], stall_seconds: int) -> str:
    where = next((f"pod {pod.identity.name} ({pod.ip})" for pod in pods if pod.rank == 0), "rank 0")
    return (
        f"for {duration(stall_seconds)} the operator has read no progress that it understands from port "
        f"{TRAINER_PORT} of {where}; training goes on, but a stall would not be noticed; "
        f"{reasons.PROGRESS_UNKNOWN.remedy}"
    )
