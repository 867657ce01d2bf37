"""How exit codes become outcomes: how a pod ended, how a gang of pods ended, and whether a gang has ended at all."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from posefleet_api.outcomes import ExitCode, TerminationMessage
from posefleet_api.status import AttemptOutcome
from posefleet_operator import reasons
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod, Termination
from posefleet_operator.foreign_reasons import reason_named
from posefleet_operator.reasons import Reason

_MAX_RAW_TEXT = 500
_SIGKILL, _SIGTERM = 137, 143
#: What containerd and kubelets report for a container that was gone when they came back, as after a reboot.
_CONTAINER_LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
#: The kubelet's words for a pod that exceeded a limit of its own. For a node under pressure it uses other words.
_LIMIT_EXCEEDED = re.compile(r"exceed(s|ed)\b.*\blimit\b", re.DOTALL)
#: The kubelet's reason for a pod that it evicted, either for the pod's own limit or for pressure on the node.
_KUBELET_EVICTED = reasons.EVICTED.name
#: Exit codes with a meaning of their own, and the message if the trainer left none.
_REASON_OF_EXIT_CODE: dict[int, tuple[Reason, str]] = {
    ExitCode.SUCCEEDED: (reasons.COMPLETED, "done"),
    ExitCode.INVALID_INPUT: (reasons.INVALID_INPUT, "the manifest or the dataset is wrong"),
    ExitCode.STORE_UNREACHABLE: (reasons.STORE_UNREACHABLE, "the object store did not answer"),
    ExitCode.PEER_LOST: (reasons.PEER_LOST, "the other ranks went away"),
}
#: A Job that is seen to have finished waits this long for pods that its controller has counted and that nobody has
#: seen. After that they are taken to have been deleted.
_UNSEEN_PODS_SECONDS = 10.0


@dataclass(frozen=True)
class Ending:
    """How a pod, or a gang, ended."""

    outcome: AttemptOutcome
    reason: Reason
    message: str
    #: Exit code of the pod that decided. None if no container ended, or if the gang as a whole gives the reason.
    exit_code: int | None = field(default=None, compare=False)

    @classmethod
    def of(cls, reason: Reason, message: str) -> "Ending":
        """Return the ending with the outcome that the reason usually has."""
        assert reason.outcome is not None
        return cls(reason.outcome, reason, message)


def termination_message(pod: ChildPod) -> TerminationMessage | None:
    """Return what the trainer wrote to the pod's termination log, or None if that is empty or not readable."""
    if pod.end is None or not pod.end.text:
        return None
    try:
        return TerminationMessage.read(pod.end.text)
    except ValidationError:
        return None


def ending_of_pod(pod: ChildPod) -> Ending:
    """Return how a pod that is no longer active ended.

    A final reason that the trainer gave comes first, then an exceeded limit, then the exit code.
    """
    if pod.end is None:
        return _ending_without_exit_code(pod)
    return replace(_ending_with_exit_code(pod, pod.end), exit_code=pod.end.exit_code)


def _ending_with_exit_code(pod: ChildPod, end: Termination) -> Ending:
    if (said := termination_message(pod)) is not None and (reason := reason_named(said.reason)).final:
        return Ending.of(reason, said.message)
    if end.exit_code != ExitCode.SUCCEEDED and _exceeded_its_limit(pod):
        return _ending_over_limit(pod)
    if end.exit_code == ExitCode.PREEMPTED:
        return Ending("Preempted", _disruption_reason(pod) or reasons.PREEMPTED, _disruption_message(pod))
    if (known := _REASON_OF_EXIT_CODE.get(end.exit_code)) is not None:
        reason, otherwise = known
        return Ending.of(reason, _text(pod, otherwise))
    return _ending_of_abnormal_exit(pod, end)


def ending_of_exit_code(pod_name: str, exit_code: int) -> Ending:
    """Return how a pod ended of which nothing but its exit code is known."""
    if exit_code == ExitCode.PREEMPTED:
        return Ending.of(reasons.PREEMPTED, f"pod {pod_name} was asked to stop")
    if exit_code == _SIGKILL:
        return Ending.of(reasons.KILLED, f"pod {pod_name} was killed (exit 137); out of memory?")
    reason, text = _REASON_OF_EXIT_CODE.get(exit_code, (reasons.ERROR, f"it ended with exit code {exit_code}"))
    return Ending.of(reason, f"pod {pod_name}: {text}; {reason.remedy}")


def ending_of_gang(pods: Sequence[ChildPod], nodes: int, job_gone: bool, ran: bool = True) -> Ending:
    """Return how an attempt ended whose pods have all ended. ``ran`` says whether all of them were seen to run.

    A final reason decides, and then a pod that exceeded its limits, since such a pod is asked to stop in the same way
    as all others then are. Otherwise the first ending is the cause and later ones are its consequences: when one pod
    fails, the Job controller stops the others, which then report that they were asked to stop. A rank that only lost
    its peers gives the reason only if no other pod does.
    """
    endings = [(pod, ending_of_pod(pod)) for pod in pods]
    if sum(ending.outcome == "Succeeded" for _, ending in endings) >= nodes:
        return next(ending for _, ending in endings if ending.outcome == "Succeeded")
    bad = [(pod, ending) for pod, ending in endings if ending.outcome != "Succeeded"]
    over_limit = [ending for _, ending in bad if (ending.outcome, ending.reason) == ("Failed", reasons.EVICTED)]
    if decisive := [*(ending for _, ending in bad if ending.reason.final), *over_limit]:
        return decisive[0]
    lost = [ending for _, ending in bad if ending.reason == reasons.PEER_LOST]
    # A pod that the others waited for in vain is deleted in the end, which is not why they gave up.
    absent = [pod for pod, ending in bad if lost and pod.started_at is None and ending.reason == reasons.POD_DELETED]
    explanatory = [(pod, ending) for pod, ending in bad if ending.reason != reasons.PEER_LOST and pod not in absent]
    if explanatory:
        return _first(explanatory)
    missing = nodes - len(pods)
    if absent or (lost and missing > 0 and not ran and not job_gone):
        return _ending_of_incomplete_gang(lost[0], absent, missing)
    return _ending_of_lost_gang(bad, missing, job_gone)


def ending_of_disrupted_gang(pods: Sequence[ChildPod], nodes: int) -> Ending | None:
    """Return how an attempt ends if some of its pods were disrupted and do not end, as on a lost node.

    Returns:
        None if no pod was disrupted.
    """
    if not any(_is_disrupted(pod) for pod in pods):
        return None
    return ending_of_gang([pod for pod in pods if _is_disrupted(pod) or not pod.active], nodes, job_gone=False)


def gang_has_ended(job: ChildJob | None, pods: Sequence[ChildPod], ages: Ages) -> bool:
    """Return whether no process of a Job runs any more and none will.

    Jobs and pods are watched separately, so a Job that is seen to have finished is believed only when as many of its
    pods are seen to have ended. This is limited in time, because a pod can be deleted before anybody sees it.
    """
    if any(pod.active for pod in pods):
        return False
    if job is None:
        return True
    if not job.finished or (job.failed and job.identity.deleted_at is not None):
        return False
    if len(pods) >= job.ended_pods or job.identity.deleted_at is not None:
        return True
    return ages.of("finished", job.identity.uid) > _UNSEEN_PODS_SECONDS


def _first(endings: Sequence[tuple[ChildPod, Ending]]) -> Ending:
    """Return the cause among endings: the first, and of those that were seen at once the one that explains more.

    The order is that in which the API server learned of the ends, or of the removals that led to them, because the
    clocks of two nodes cannot be compared. Ends that nobody saw come last.
    """

    def order(item: tuple[ChildPod, Ending]) -> tuple[bool, float, int, int]:
        pod, ending = item
        seen = min((version for version in (pod.removal_seen, pod.end_seen) if version), default=float("inf"))
        return pod.end is None, seen, _rank_among_simultaneous(pod, ending), pod.rank

    return min(endings, key=order)[1]


def _rank_among_simultaneous(pod: ChildPod, ending: Ending) -> int:
    if ending.reason == reasons.STORE_UNREACHABLE:
        return 1
    if ending.outcome == "Preempted":
        # A pod that was merely deleted may have been deleted because of one that failed.
        return 3 if pod.identity.deleted_at is not None and not pod.disruption else 0
    return 2


def _ending_of_incomplete_gang(lost: Ending, absent: Sequence[ChildPod], missing: int) -> Ending:
    if not absent:
        text = f"pods that were never created (does a quota refuse them?): {missing}"
        return Ending.of(reasons.GANG_INCOMPLETE, f"{text}; {lost.message}")
    why = absent[0].unschedulable or absent[0].waiting_message
    started = f"pod {absent[0].identity.name} never started" + (f" ({why.strip().rstrip('.')})" if why else "")
    return Ending.of(reasons.GANG_INCOMPLETE, f"{started}; {lost.message}")


def _ending_of_lost_gang(bad: Sequence[tuple[ChildPod, Ending]], missing: int, job_gone: bool) -> Ending:
    if job_gone:
        return Ending.of(reasons.JOB_DELETED, "the attempt's Job was deleted from outside")
    if missing > 0 or not bad:
        return Ending.of(reasons.POD_DELETED, "a pod of the attempt was deleted from outside")
    return bad[0][1]


def _ending_without_exit_code(pod: ChildPod) -> Ending:
    if _exceeded_its_limit(pod):
        return _ending_over_limit(pod)
    if pod.gone and not pod.disruption and not pod.unreachable:
        return Ending.of(reasons.POD_DELETED, f"pod {pod.identity.name} was deleted from outside")
    reason = _disruption_reason(pod) or (reason_named(pod.reason) if pod.reason else reasons.POD_LOST)
    return Ending("Preempted", reason, _disruption_message(pod))


def _exceeded_its_limit(pod: ChildPod) -> bool:
    return pod.reason == _KUBELET_EVICTED and _LIMIT_EXCEEDED.search(pod.message) is not None


def _ending_over_limit(pod: ChildPod) -> Ending:
    why = pod.message.strip().rstrip(".")
    return Ending.of(reasons.EVICTED, f"pod {pod.identity.name} was evicted: {why}; {reasons.EVICTED.remedy}")


def _ending_of_abnormal_exit(pod: ChildPod, end: Termination) -> Ending:
    name = pod.identity.name
    if (reason := _disruption_reason(pod)) and (pod.disruption or end.exit_code in {_SIGKILL, _SIGTERM}):
        return Ending("Preempted", reason, _disruption_message(pod))
    if end.reason in _CONTAINER_LOST:
        return Ending.of(reasons.POD_LOST, _lost_message(pod))
    if end.reason == reasons.OOM_KILLED.name:
        return Ending.of(reasons.OOM_KILLED, f"pod {name} ran out of memory; {reasons.OOM_KILLED.remedy}")
    if end.exit_code == _SIGKILL:
        where = f" on node {pod.node}" if pod.node else ""
        return Ending.of(reasons.KILLED, f"pod {name} was killed (exit 137){where}; out of memory?")
    said = termination_message(pod)
    reason = reason_named(said.reason) if said is not None else reasons.ERROR
    return Ending("Failed", reason, _text(pod, f"pod {name} ended with exit code {end.exit_code}"))


def _is_disrupted(pod: ChildPod) -> bool:
    return _disruption_reason(pod) is not None


def _disruption_reason(pod: ChildPod) -> Reason | None:
    """Return why the cluster took a pod away, or None if it did not."""
    if pod.disruption:
        return reason_named(pod.disruption.split(":")[0])
    if pod.unreachable:
        return reasons.NODE_LOST
    return reasons.POD_DELETED if pod.identity.deleted_at is not None else None


def _disruption_message(pod: ChildPod) -> str:
    where = f" from node {pod.node}" if pod.node else ""
    if why := pod.disruption or pod.message:
        return f"pod {pod.identity.name} was removed{where} ({why.strip()})"
    if pod.unreachable:
        return f"node {pod.node} of pod {pod.identity.name} does not answer"
    if pod.identity.deleted_at is not None:
        return f"pod {pod.identity.name} was deleted from outside"
    return _text(pod, f"pod {pod.identity.name} was asked to stop")


def _lost_message(pod: ChildPod) -> str:
    where = f" of node {pod.node}" if pod.node else ""
    return f"the kubelet{where} lost the container of pod {pod.identity.name}, as when a node reboots"


def _text(pod: ChildPod, otherwise: str) -> str:
    """Return the trainer's message, or ``otherwise`` followed by the last line of what the pod wrote."""
    said = termination_message(pod)
    if said is not None and said.message:
        return said.message
    raw = pod.end.text.strip() if pod.end is not None and said is None else ""
    return f"{otherwise}: {raw.splitlines()[-1][-_MAX_RAW_TEXT:]}" if raw else otherwise
