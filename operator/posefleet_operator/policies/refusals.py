"""What to do about an object that the API server refuses, by the words in which it refuses."""

import re
from typing import Final

from posefleet_operator import reasons

#: Patterns of what API server and admission plugins say, the more particular first, with the remedy.
_REMEDIES: Final = (
    (r"exceeded quota|must specify (limits|requests)", "lower spec.resources, or ask for more quota in the namespace"),
    (
        r"service ?account .*not found|no service account",
        "create the service account, or correct spec.pod.serviceAccountName",
    ),
    (
        r"admission webhook|ValidatingAdmissionPolicy|violates PodSecurity",
        "change what the admission control of your cluster objects to, or ask your cluster administrator",
    ),
    (r"no PriorityClass", "correct spec.pod.priorityClassName, or ask your cluster administrator to create it"),
    (r"cannot (create|get|delete|patch) resource", "ask your cluster administrator to grant the operator its rights"),
)


def remedy_for(message: str) -> str:
    """Return what the job's author can do about a refusal, as a clause that completes its message."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, message, re.IGNORECASE):
            return remedy
    return reasons.REFUSED.remedy
