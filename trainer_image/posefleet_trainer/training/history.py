"""The record of a training: one entry an epoch, the same in an interrupted training and in one that was not."""

from collections.abc import Mapping
from typing import Any


class History:
    """Means over epochs. Its state is plain data and goes into every checkpoint."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self.records: list[dict[str, Any]] = list(state["records"]) if state else []
        self._sums: dict[str, float] = dict(state["sums"]) if state else {}
        self._steps: int = state["steps"] if state else 0

    def state(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"records": [dict(record) for record in self.records], "sums": dict(self._sums), "steps": self._steps}

    def add(self, terms: Mapping[str, float]) -> None:
        """Count one step's weighted losses."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1

    def close_epoch(self, step: int, epoch: int, learning_rate: float, pixel_error: float | None) -> None:
        """Write the entry of the epoch that ended with ``step``."""
        record: dict[str, Any] = {
            "step": step,
            "epoch": epoch,
            "losses": {name: value / max(1, self._steps) for name, value in self._sums.items()},
            "learning_rate": learning_rate,
        }
        if pixel_error is not None:
            record["validation_pixel_error"] = pixel_error
        self.records.append(record)
        self._sums, self._steps = {}, 0

    @property
    def last_pixel_error(self) -> float | None:
        """The validation pixel error at its last measurement."""
        measured = [r["validation_pixel_error"] for r in self.records if "validation_pixel_error" in r]
        return measured[-1] if measured else None
