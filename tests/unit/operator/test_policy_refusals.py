"""The remedy for what the API server refuses."""

import pytest

from posefleet_operator import reasons
from posefleet_operator.policies.refusals import remedy_for


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ('pods "x" is forbidden: exceeded quota: gpus, requested: nvidia.com/gpu=8, used: 0, limited: 4', "more quota"),
        ('pods "x" is forbidden: failed quota: q: must specify limits.cpu for: init', "more quota"),
        (
            'pods "x" is forbidden: error looking up service account lab/me: not found',
            "service acc",
        ),
        ('admission webhook "policy.lab" denied the request: no team label', "admission control"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": hostPath', "admission control"),
        ('pods "x" is forbidden: no PriorityClass with name urgent was found', "priorityClassName"),
        ('jobs.batch is forbidden: User "op" cannot create resource "jobs" in API group "batch"', "its rights"),
        ("something that nobody has foreseen", reasons.REFUSED.remedy),
    ],
)
def test_the_remedy_follows_from_what_is_refused(message: str, remedy: str) -> None:
    assert remedy in remedy_for(message)
