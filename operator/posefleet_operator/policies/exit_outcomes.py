"""How an attempt ended, from its pods' exit codes, conditions and termination messages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from posefleet_api.outcomes import FINAL_REASONS, ExitCode, TerminationMessage
from posefleet_api.status import AttemptOutcome
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod, Termination

_MAX_RAW_TEXT = 500
_SIGKILL, _SIGTERM = 137, 143
#: What containerd and kubelets say of a container that was gone when they came back, as after a reboot of its node.
_CONTAINER_LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
#: How kubelets say that a pod went beyond a limit of its own; of a node under pressure they speak otherwise.
_LIMIT_EXCEEDED = re.compile(r"exceed(s|ed)\b.*\blimit\b", re.DOTALL)
_NAMED_ENDINGS: dict[int, tuple[AttemptOutcome, str, str]] = {
    ExitCode.SUCCEEDED: ("Succeeded", "Completed", "done"),
    ExitCode.INVALID_INPUT: ("InvalidInput", "InvalidInput", "the manifest or the data set is wrong"),
    ExitCode.STORE_UNREACHABLE: ("Preempted", "StoreUnreachable", "the object store did not answer"),
    ExitCode.PEER_LOST: ("Failed", "PeerLost", "the other ranks went away"),
}


@dataclass(frozen=True)
class Ending:
    """How a pod, or a gang, ended."""

    outcome: AttemptOutcome
    reason: str
    message: str

    @property
    def final(self) -> bool:
        """Whether another attempt would end the same way."""
        return self.reason in FINAL_REASONS


def termination_message(pod: ChildPod) -> TerminationMessage | None:
    """What the trainer of a pod said last; None if it said nothing that can be read."""
    if pod.end is None or not pod.end.text:
        return None
    try:
        return TerminationMessage.read(pod.end.text)
    except ValidationError:
        return None


def ending_of_pod(pod: ChildPod) -> Ending:
    """How a pod that is no longer active ended."""
    if pod.end is None:
        return _ending_without_exit_code(pod)
    if (said := termination_message(pod)) is not None and said.reason in FINAL_REASONS:
        return Ending("InvalidInput" if said.reason == "InvalidInput" else "Failed", said.reason, said.message)
    if pod.end.exit_code != ExitCode.SUCCEEDED and _exceeded_its_limit(pod):
        return _ending_over_limit(pod)
    if pod.end.exit_code == ExitCode.PREEMPTED:
        return Ending("Preempted", _disruption_reason(pod) or "Preempted", _disruption_message(pod))
    if (named := _NAMED_ENDINGS.get(pod.end.exit_code)) is not None:
        outcome, reason, otherwise = named
        return Ending(outcome, reason, _text(pod, otherwise))
    return _ending_of_abnormal_exit(pod, pod.end)


def ending_of_gang(pods: Sequence[ChildPod], nodes: int, job_gone: bool, ran: bool = True) -> Ending:
    """How an attempt ended whose pods have all ended; ``ran`` says whether all of them were seen to run.

    What cannot come right in another attempt decides, and then a pod that outgrew its limits, which is asked to stop
    as all others then are. Otherwise the first end is the cause and later ones are its consequences: when one pod
    fails the Job controller stops the others, which then say that they were asked to. A rank that only lost its peers
    explains nothing while another pod is known to know more.
    """
    endings = [(pod, ending_of_pod(pod)) for pod in pods]
    if sum(ending.outcome == "Succeeded" for _, ending in endings) >= nodes:
        return next(ending for _, ending in endings if ending.outcome == "Succeeded")
    bad = [(pod, ending) for pod, ending in endings if ending.outcome != "Succeeded"]
    over_limit = [ending for _, ending in bad if (ending.outcome, ending.reason) == ("Failed", "Evicted")]
    if decisive := [*(ending for _, ending in bad if ending.final), *over_limit]:
        return decisive[0]
    lost = [ending for _, ending in bad if ending.reason == "PeerLost"]
    # A pod that the others waited for in vain is deleted in the end, which is not why they gave up.
    absent = [pod for pod, ending in bad if lost and pod.started_at is None and ending.reason == "PodDeleted"]
    explanatory = [(pod, ending) for pod, ending in bad if ending.reason != "PeerLost" and pod not in absent]
    if explanatory:
        return _first(explanatory)
    missing = nodes - len(pods)
    if absent or (lost and missing > 0 and not ran and not job_gone):
        return _ending_of_incomplete_gang(lost[0], absent, missing)
    return _ending_of_lost_gang(bad, missing, job_gone)


def ending_of_disrupted_gang(pods: Sequence[ChildPod], nodes: int) -> Ending | None:
    """How an attempt ends some of whose pods were taken and do not end, as on a node that is gone; None if none was."""
    if not any(_is_disrupted(pod) for pod in pods):
        return None
    return ending_of_gang([pod for pod in pods if _is_disrupted(pod) or not pod.active], nodes, job_gone=False)


def _first(endings: Sequence[tuple[ChildPod, Ending]]) -> Ending:
    """The cause among endings: the earliest, those at an unknown time last; of one second the more telling."""

    def order(item: tuple[ChildPod, Ending]) -> tuple[bool, datetime, int, int]:
        pod, ending = item
        moment = (pod.end and pod.end.finished_at) or datetime.max.replace(tzinfo=UTC)
        return pod.end is None, moment, _rank_among_simultaneous(pod, ending), pod.rank

    return min(endings, key=order)[1]


def _rank_among_simultaneous(pod: ChildPod, ending: Ending) -> int:
    if ending.reason == "StoreUnreachable":
        return 1
    if ending.outcome == "Preempted":
        # A pod that was merely deleted may have been deleted because of one that failed.
        return 3 if pod.identity.deleted_at is not None and not pod.disruption else 0
    return 2


def _ending_of_incomplete_gang(lost: Ending, absent: Sequence[ChildPod], missing: int) -> Ending:
    if not absent:
        text = f"pods that were never seen (does a quota refuse them?): {missing}"
        return Ending("Preempted", "GangIncomplete", f"{text}; {lost.message}")
    why = absent[0].unschedulable or absent[0].waiting_message
    started = f"pod {absent[0].identity.name} never started" + (f" ({why.strip().rstrip('.')})" if why else "")
    return Ending("Preempted", "GangIncomplete", f"{started}; {lost.message}")


def _ending_of_lost_gang(bad: Sequence[tuple[ChildPod, Ending]], missing: int, job_gone: bool) -> Ending:
    if job_gone:
        return Ending("Preempted", "JobDeleted", "the attempt's Job was deleted from outside")
    if missing > 0 or not bad:
        return Ending("Preempted", "PodDeleted", "a pod of the attempt was deleted from outside")
    return bad[0][1]


def _ending_without_exit_code(pod: ChildPod) -> Ending:
    if _exceeded_its_limit(pod):
        return _ending_over_limit(pod)
    if pod.gone and not pod.disruption:
        return Ending("Preempted", "PodDeleted", f"pod {pod.identity.name} was deleted from outside")
    reason = _disruption_reason(pod) or pod.reason or "PodLost"
    return Ending("Preempted", reason, _disruption_message(pod))


def _exceeded_its_limit(pod: ChildPod) -> bool:
    return pod.reason == "Evicted" and _LIMIT_EXCEEDED.search(pod.message) is not None


def _ending_over_limit(pod: ChildPod) -> Ending:
    remedy = "raise resources.cachePerNode or resources.memoryPerNode"
    return Ending(
        "Failed", "Evicted", f"pod {pod.identity.name} was evicted: {pod.message.strip().rstrip('.')}; {remedy}"
    )


def _ending_of_abnormal_exit(pod: ChildPod, end: Termination) -> Ending:
    if pod.disruption or (pod.identity.deleted_at is not None and end.exit_code in {_SIGKILL, _SIGTERM}):
        return Ending("Preempted", _disruption_reason(pod), _disruption_message(pod))
    if end.reason in _CONTAINER_LOST:
        return Ending("Preempted", "PodLost", _lost_message(pod))
    if end.reason == "OOMKilled":
        remedy = "raise resources.memoryPerNode or lower training.batchSize"
        return Ending("Failed", "OOMKilled", f"pod {pod.identity.name} ran out of memory; {remedy}")
    if end.exit_code == _SIGKILL:
        where = f" on node {pod.node}" if pod.node else ""
        return Ending("Failed", "Killed", f"pod {pod.identity.name} was killed (exit 137){where}; out of memory?")
    said = termination_message(pod)
    reason = said.reason if said is not None else "Error"
    return Ending("Failed", reason, _text(pod, f"pod {pod.identity.name} ended with exit code {end.exit_code}"))


def _is_disrupted(pod: ChildPod) -> bool:
    return bool(pod.disruption) or pod.identity.deleted_at is not None


def _disruption_reason(pod: ChildPod) -> str:
    if pod.disruption:
        return pod.disruption.split(":")[0]
    return "PodDeleted" if pod.identity.deleted_at is not None else ""


def _disruption_message(pod: ChildPod) -> str:
    where = f" from node {pod.node}" if pod.node else ""
    if why := pod.disruption or pod.message:
        return f"pod {pod.identity.name} was taken{where} ({why.strip()})"
    if pod.identity.deleted_at is not None:
        return f"pod {pod.identity.name} was deleted from outside"
    return _text(pod, f"pod {pod.identity.name} was asked to stop")


def _lost_message(pod: ChildPod) -> str:
    where = f" of node {pod.node}" if pod.node else ""
    return f"the kubelet{where} lost sight of pod {pod.identity.name}, as when a node starts anew"


def _text(pod: ChildPod, otherwise: str) -> str:
    said = termination_message(pod)
    if said is not None and said.message:
        return said.message
    raw = pod.end.text.strip() if pod.end is not None and said is None else ""
    return f"{otherwise}: {raw.splitlines()[-1][-_MAX_RAW_TEXT:]}" if raw else otherwise


#: Pods that the Job controller has counted but that nobody has seen by then were deleted.
_PATIENCE_SECONDS = 10.0


def gang_has_ended(job: ChildJob | None, pods: Sequence[ChildPod], now: datetime) -> bool:
    """Whether no process of the Job runs any more and none will.

    Jobs and pods are watched apart, so a Job that is seen to have ended is believed only when as many of its pods
    are seen to have ended; for a while, since pods can be deleted before anybody looks.
    """
    if any(pod.active for pod in pods):
        return False
    if job is None:
        return True
    if not job.finished or job.identity.deleted_at is not None:
        return False
    if len(pods) >= job.ended_pods:
        return True
    return job.finished_at is None or (now - job.finished_at).total_seconds() > _PATIENCE_SECONDS
