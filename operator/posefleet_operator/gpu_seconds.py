"""GPU-seconds, counted while they pass: a rate over them is GPUs, even of an attempt that runs for days."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter

from posefleet_api.status import Attempt, Checkpoint, Status
from posefleet_operator.children import Key
from posefleet_operator.policies.usage import gpu_seconds, useful_share
from posefleet_operator.timestamps import to_timestamp


class GpuSeconds:
    """What attempts held, and how much of it was of use."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._allocated = Counter(
            "posefleet_allocated_gpu_seconds", "GPU-seconds that attempts held", ["namespace"], registry=registry
        )
        self._useful = Counter(
            "posefleet_useful_gpu_seconds", "GPU-seconds whose steps no later attempt has to repeat", ["namespace"],
            registry=registry,
        )  # fmt: skip
        #: By job, attempt and its start: held and useful GPU-seconds that are counted already.
        self._counted: dict[tuple[Key, int, str], tuple[float, float]] = {}

    def passed(self, key: Key, old: Status, new: Status, now: datetime) -> None:
        """Count what has passed since this job was last looked at.

        Of an attempt that was under way when this operator began, only what passes from now on: what was before is
        in the counters of the operator that saw it.
        """
        known = {attempt.number: attempt for attempt in old.attempts}
        for attempt in new.attempts:
            before = known.get(attempt.number)
            if before is not None and before.outcome:
                continue
            start = _spent(before, old.last_checkpoint, now) if before is not None else (0.0, 0.0)
            this = key, attempt.number, attempt.start_time
            held, useful = self._counted.pop(this, start)
            held_now, useful_now = _spent(attempt, new.last_checkpoint, now)
            self._allocated.labels(key[0]).inc(max(0.0, held_now - held))
            self._useful.labels(key[0]).inc(max(0.0, useful_now - useful))
            if not attempt.outcome:
                self._counted[this] = max(held, held_now), max(useful, useful_now)

    def begin(self) -> None:
        """This operator leads from now on; what passed while another led is in that one's counters."""
        self._counted.clear()

    def forget(self, key: Key) -> None:
        """A job is gone."""
        for counted in [counted for counted in self._counted if counted[0] == key]:
            del self._counted[counted]


def _spent(attempt: Attempt, checkpoint: Checkpoint | None, now: datetime) -> tuple[float, float]:
    """GPU-seconds held, and those of them that were of use, up to the attempt's end or to now."""
    if attempt.end_time is None:
        attempt = attempt.model_copy(update={"end_time": to_timestamp(now)})
    held = gpu_seconds(attempt)
    return held, held * useful_share(attempt, checkpoint)
