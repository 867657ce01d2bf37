"""Whether and when an ended container starts again."""

from dataclasses import dataclass

_FIRST_SECONDS = 10.0
_LONGEST_SECONDS = 300.0
_RESET_AFTER_SECONDS = 600.0


def should_restart(policy: str, exit_code: int) -> bool:
    """Tell whether a container with this restart policy starts again after this exit code."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


@dataclass
class Backoff:
    """A kubelet's restart delays: none, then 10 s doubled up to 5 minutes, forgotten after 10 quiet minutes."""

    _next_seconds: float = 0.0

    def delay_after(self, ran_seconds: float) -> float:
        """Return how long to wait before the next start of a container that ran this long."""
        if ran_seconds >= _RESET_AFTER_SECONDS:
            self._next_seconds = 0.0
        delay = self._next_seconds
        self._next_seconds = min(max(_FIRST_SECONDS, delay * 2), _LONGEST_SECONDS)
        return delay
