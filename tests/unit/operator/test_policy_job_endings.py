"""How child Jobs ended whose pods are gone, from what the Jobs have recorded."""

import pytest

from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.policies.job_endings import ending_of_child_job
from unit.operator.builders import a_job, a_pod, finished_job

#: As the Job controller of Kubernetes 1.34 writes it.
EXITED = "Container trainer for pod lab/reaching-a1-0-x failed with exit code {} matching FailJob rule at index 0"
DISRUPTED = "Pod lab/reaching-a1-0-x has condition DisruptionTarget matching FailJob rule at index 1"
POLICY = "PodFailurePolicy"


def ending(*pods: ChildPod, nodes: int = 2, condition: str = "Failed", message: str = "") -> tuple[str, str]:
    said = {"reason": POLICY, "message": message} if message else {}
    manifest = finished_job(a_job().with_gpus(1, nodes=nodes).attempt_manifest(1), condition, **said)
    found = ending_of_child_job(ChildJob.read(manifest), pods, nodes)
    return found.outcome, found.reason.name


def test_a_complete_job_quotes_the_pod_that_was_seen() -> None:
    said = a_pod(a_job().with_gpus(1, nodes=2), 1, 1).ended(0).seen
    assert ending(said, condition="Complete") == ("Succeeded", "Completed")
    manifest = finished_job(a_job().with_gpus(1, nodes=2).attempt_manifest(1), "Complete")
    assert ending_of_child_job(ChildJob.read(manifest), [said], 2).message == "done"


def test_a_complete_job_quotes_a_pod_that_succeeded_and_no_other() -> None:
    manifest = finished_job(a_job().with_gpus(1, nodes=2).attempt_manifest(1), "Complete")
    replaced, well = a_pod().ended(75).seen, a_pod(rank=1).ended(0).seen
    found = ending_of_child_job(ChildJob.read(manifest), [replaced, well], 2)
    assert (found.outcome, found.message) == ("Succeeded", "done")


def test_a_failure_that_a_pod_explains_is_not_replaced_by_what_the_job_has_recorded() -> None:
    assert ending(a_pod().ended(1).seen, message=EXITED.format(69)) == ("Failed", "Error")


def test_pods_that_have_all_succeeded_count_whatever_the_job_says() -> None:
    assert ending(a_pod().ended(0).seen, nodes=1, message=EXITED.format(1)) == ("Succeeded", "Completed")


@pytest.mark.parametrize(
    ("message", "outcome", "reason"),
    [
        (EXITED.format(1), "Failed", "Error"),
        (EXITED.format(69), "Preempted", "StoreUnreachable"),
        (EXITED.format(75), "Preempted", "Preempted"),
        (EXITED.format(76), "Failed", "PeerLost"),
        (EXITED.format(137), "Failed", "Killed"),
        (DISRUPTED, "Preempted", "Disrupted"),
        ("", "Failed", "JobFailed"),
    ],
)
def test_a_failed_job_without_pods_has_the_outcome_of_what_it_recorded(message: str, outcome: str, reason: str) -> None:
    assert ending(message=message) == (outcome, reason)


def test_what_pods_are_known_to_have_done_goes_before_what_their_job_recorded() -> None:
    job = a_job().with_gpus(1, nodes=2)
    failed, peer = a_pod(job, 1, 0).ended(1).seen, a_pod(job, 1, 1).ended(76).seen
    assert ending(failed, peer, message=EXITED.format(76)) == ("Failed", "Error")
    assert ending(a_pod(job, 1, 0).ended(78).seen, peer, message=EXITED.format(76)) == ("InvalidInput", "InvalidInput")
    deleted = a_pod(job, 1, 0).ended(143).deleted().seen
    assert ending(deleted, peer, message=EXITED.format(1)) == ("Preempted", "PodDeleted")


def test_a_final_exit_code_that_the_job_recorded_decides_whatever_the_other_pods_say() -> None:
    failed = a_pod(a_job().with_gpus(1, nodes=2), 1, 1).ended(1).seen
    assert ending(failed, message=EXITED.format(78)) == ("InvalidInput", "InvalidInput")


@pytest.mark.parametrize("code", [75, 76, 137, 143])
def test_a_gang_that_lost_a_deleted_pod_was_preempted_whichever_end_its_job_recorded(code: int) -> None:
    job = a_job().with_gpus(1, nodes=2)
    peer, vanished = a_pod(job, 1, 1).ended(76).seen, a_pod(job, 1, 0).running().seen.tombstone()
    assert ending(peer, message=EXITED.format(code)) == ("Preempted", "PodDeleted")
    assert ending(peer, vanished, message=EXITED.format(code)) == ("Preempted", "PodDeleted")
    assert ending(peer) == ("Preempted", "PodDeleted")


def test_a_gang_that_lost_a_pod_which_failed_has_failed() -> None:
    job = a_job().with_gpus(1, nodes=2)
    peer, vanished = a_pod(job, 1, 1).ended(76).seen, a_pod(job, 1, 0).running().seen.tombstone()
    assert ending(peer, message=EXITED.format(1)) == ("Failed", "Error")
    assert ending(peer, vanished, message=EXITED.format(1)) == ("Failed", "Error")


def test_a_job_that_is_gone_has_recorded_nothing() -> None:
    assert ending_of_child_job(None, [], 1).reason.name == "JobDeleted"
