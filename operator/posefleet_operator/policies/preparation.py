"""When the data must be prepared (again), and when the next try starts."""

import hashlib

from posefleet_api.job import Spec
from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Preparation
from posefleet_operator.policies.attempts import doubled

#: A store that is away is asked again at least once a minute.
MAX_UNREACHABLE_BACKOFF_SECONDS = 60.0
_FIRST_UNREACHABLE_BACKOFF_SECONDS = 2.0


def fingerprint(spec: Spec) -> str:
    """Of the parts of a spec that preparation looks at; while it is the same, what is prepared stays good.

    Fields that a newer version adds, with their defaults, leave it as it was.
    """
    parts = (
        spec.dataset,
        spec.storage,
        spec.output,
        spec.model,
        spec.losses,
        spec.training,
        spec.checkpoint,
        spec.predict,
    )
    text = "\n".join(part.choices() if part is not None else "" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seconds_before_next_try(preparation: Preparation, policy: FailurePolicy) -> float:
    """Seconds between the end of the last try and the start of the next."""
    if preparation.unreachable:
        return doubled(_FIRST_UNREACHABLE_BACKOFF_SECONDS, preparation.unreachable, MAX_UNREACHABLE_BACKOFF_SECONDS)
    if preparation.failures:
        return doubled(float(policy.backoff_seconds), preparation.failures)
    return 0.0
