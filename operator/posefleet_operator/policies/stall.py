"""Whether an attempt has stopped getting anywhere."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from posefleet_api.constants import TRAINER_PORT
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.policies.exit_outcomes import Ending
from posefleet_operator.policies.progress import duration

#: Nothing was heard of an attempt that runs, so whether it has stalled is not known.
PROGRESS_UNKNOWN = "ProgressUnknown"


def stalls_at(
    running_since: datetime, polled_since: datetime | None, advanced_at: datetime | None, stall_seconds: int
) -> datetime:
    """When the attempt counts as stalled, unless it is heard before to have got on.

    All times are the operator's own, for clocks of nodes differ. An operator that has just started has heard of no
    step, so it gives the attempt the whole time once more.
    """
    return max(running_since, advanced_at or polled_since or running_since) + timedelta(seconds=stall_seconds)


def stall_ending(stall_seconds: int) -> Ending:
    """The end of an attempt that was heard to get nowhere."""
    text = (
        f"no step was finished for {duration(stall_seconds)} (failurePolicy.stallSeconds); `kubectl logs` may say why"
    )
    return Ending("Stalled", "Stalled", text)


def progress_unknown_message(pods: Sequence[ChildPod], stall_seconds: int) -> str:
    """What is to be said of an attempt that runs and whose rank 0 was never heard."""
    where = next((f"pod {pod.identity.name} ({pod.ip})" for pod in pods if pod.rank == 0), "rank 0")
    return (
        f"for {duration(stall_seconds)} port {TRAINER_PORT} of {where} has told the operator no progress that it "
        "understands; training goes on, but a stall would not be noticed; let the operator reach that port "
        "(NetworkPolicies), keep other servers off it, or bring operator and trainer image to one version"
    )
