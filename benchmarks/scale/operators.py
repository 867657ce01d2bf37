"""The operator under test: its process, and what its metrics say."""

import re
from collections.abc import Callable
from pathlib import Path

from posefleet_demo.installation import NAMESPACE as OPERATOR_NAMESPACE
from scale.processes import cpu_seconds, peak_megabytes
from support.operator_process import OperatorProcess


class MeasuredOperator(OperatorProcess):
    """An operator with the settings of the chart, as a process of its own."""

    def __init__(self, directory: Path, name: str, kubeconfig: Path) -> None:
        super().__init__(
            directory / f"{name}.log", kubeconfig=str(kubeconfig), lease_namespace=OPERATOR_NAMESPACE,
            progress_seconds="5",
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The pid of its process."""
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """The CPU time that it has used."""
        return cpu_seconds(self.pid)

    def peak_megabytes(self) -> float:
        """The most memory that it has had."""
        return peak_megabytes(self.pid)

    def total(self, metric: str, chosen: Callable[[str], bool] = lambda _: True) -> float:
        """Return the sum of a metric over those of its series whose labels are chosen."""
        return total(self.metrics(), metric, chosen)


def total(text: str, metric: str, chosen: Callable[[str], bool] = lambda _: True) -> float:
    """Return the sum of a metric over those of its series whose labels are chosen."""
    series = re.findall(rf"^{metric}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in series if chosen(labels))
