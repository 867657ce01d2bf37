"""Why pods do not run yet."""

from datetime import timedelta

from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.policies.waiting import why_waiting
from unit.operator.builders import NOW, a_job, a_pod


def test_pods_that_take_long_are_named() -> None:
    late = NOW + timedelta(seconds=300)
    job = ChildJob.read(a_job().attempt_manifest(1))
    assert why_waiting(job, [a_pod().seen], 1, None, NOW).reason.name == "PodsStarting"
    assert "kubectl describe pod reaching-a1-0-x" in why_waiting(job, [a_pod().seen], 1, None, late).message
    assert "kubectl describe job reaching-a1" in why_waiting(job, [], 1, None, late).message
