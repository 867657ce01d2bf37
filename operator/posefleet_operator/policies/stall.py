"""What decides that a running attempt is stalled, or that nobody knows whether it is.

An attempt is stalled if its trainer made no step, and only evidence of that counts. Two answers that are at least
``stallSeconds`` apart and show the same step are evidence, however rarely the operator asks. So is a process that
accepts connections and answers none for as long, because then the network works and the process hangs. Silence for any
other reason is none. All times are differences of the operator's own monotonic clock.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from posefleet_api.constants import COMPONENT_ATTEMPT, TRAINER_PORT
from posefleet_api.status import Attempt
from posefleet_operator import reasons
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.polling import Polling
from posefleet_operator.observation import Observation
from posefleet_operator.policies.exit_outcomes import Ending, ending_of_disrupted_gang
from posefleet_operator.policies.progress import duration
from posefleet_operator.reasons import Reason

#: An attempt that nobody can judge is looked at again after this time.
_REQUEUE_SECONDS = 30.0
#: If more than this many attempts, and more than half of all that are polled, cease to advance at about the same time,
#: what they have in common is the cause.
_FEW = 3


@dataclass(frozen=True)
class StallCheck:
    """Whether a running attempt is stalled."""

    #: The attempt is not known to be stalled, and is looked at again after this many seconds.
    seconds_left: float = 0.0
    #: The attempt is stalled and is to be ended.
    ending: Ending | None = None
    #: Nobody knows. These are the reason and the message for the condition.
    unknown: tuple[Reason, str] | None = None


def check_stall(seen: Observation, attempt: Attempt) -> StallCheck:
    """Decide whether an attempt whose pods all run is stalled.

    Missing progress reports alone are no evidence of a stall, because training does not need the operator. A silent
    attempt is ended all the same when the cluster has been removing one of its pods for as long.
    """
    limit = seen.spec.failure_policy.stall_seconds
    polling = seen.polling or Polling()
    pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
    evidence = _evidence(seen, attempt, polling, pods)
    disrupted = ending_of_disrupted_gang(pods, seen.gang_size(attempt))
    if (stalled_for := max(evidence)) >= limit:
        if disrupted is None and many_ceased_together(polling, limit):
            return _unknown(reasons.MANY_SILENT, _many_silent_message(limit))
        return StallCheck(ending=disrupted or _stall_ending(limit, hangs=polling.mute_for >= limit))
    if polling.silent_for >= limit:
        deletions = [seen.ages.of("deleted", p.identity.uid) for p in pods if p.identity.deleted_at is not None]
        if deletions and (left := limit - min(deletions)) > 0:
            return StallCheck(seconds_left=left)
        if disrupted is not None:
            return StallCheck(ending=disrupted)
        return _unknown(reasons.PROGRESS_UNKNOWN, _progress_unknown_message(pods, limit))
    return StallCheck(seconds_left=max(limit - max(stalled_for, polling.silent_for), seen.settings.progress_seconds))


def _evidence(
    seen: Observation, attempt: Attempt, polling: Polling, pods: Sequence[ChildPod]
) -> tuple[float, float, float]:
    """Return for how long two answers, an accepted connection, and the end of rank 0 show that no step was made."""
    first = next((pod for pod in pods if pod.rank == 0 and not pod.active), None)
    since_end = seen.ages.of("ended", first.identity.uid) if first is not None else 0.0
    if seen.report is None or seen.report.attempt != attempt.number:
        return 0.0, 0.0, since_end
    return polling.same_step_for, polling.mute_for, since_end


def many_ceased_together(polling: Polling, stall_seconds: int) -> bool:
    """Return whether most of the polled attempts ceased to advance at about the time when this one did.

    Args:
        polling: what the polls have shown.
        stall_seconds: ``failurePolicy.stallSeconds``. Half of it before and after is about the same time.
    """
    margin = stall_seconds / 2
    first = bisect_left(polling.fleet, max(polling.since_advance - margin, margin))
    together = bisect_right(polling.fleet, polling.since_advance + margin) - first
    return together > _FEW and together > len(polling.fleet) / 2


def _unknown(reason: Reason, message: str) -> StallCheck:
    return StallCheck(seconds_left=_REQUEUE_SECONDS, unknown=(reason, message))


def _stall_ending(stall_seconds: int, hangs: bool) -> Ending:
    what = "rank 0 accepted connections and answered none" if hangs else "no step finished"
    text = f"{what} for {duration(stall_seconds)} (failurePolicy.stallSeconds); {reasons.STALLED.remedy}"
    return Ending.of(reasons.STALLED, text)


def _many_silent_message(stall_seconds: int) -> str:
    return (
        f"no step finished for {duration(stall_seconds)}, and most running jobs ceased to advance at the same time, "
        f"so this job is not ended for it; {reasons.MANY_SILENT.remedy}"
    )


def _progress_unknown_message(pods: Sequence[ChildPod], stall_seconds: int) -> str:
    where = next((f"pod {pod.identity.name} ({pod.ip})" for pod in pods if pod.rank == 0), "rank 0")
    return (
        f"for {duration(stall_seconds)} the operator has read no progress that it understands from port "
        f"{TRAINER_PORT} of {where}; training goes on, but a stall would not be noticed; "
        f"{reasons.PROGRESS_UNKNOWN.remedy}"
    )
