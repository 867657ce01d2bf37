"""The live table of ``kubectl get ptj`` until the job is over."""

import time
from collections.abc import Callable
from typing import Any

from rich.live import Live
from rich.text import Text

from posefleet_demo.kubectl import Kubectl
from posefleet_demo.steps import console

_POLL_SECONDS = 1.0
_FINISHED = ("Succeeded", "Failed")


def watch_job(
    kubectl: Kubectl, name: str, timeout_seconds: float, require_operator: Callable[[], None]
) -> dict[str, Any]:
    """Show the job's table as it changes; the finished job.

    Raises:
        ComponentError: by ``require_operator``, when the operator has ended.
        TimeoutError: the job did not finish in time.
    """
    deadline = time.monotonic() + timeout_seconds
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            return _follow(kubectl, name, deadline, require_operator, lambda table: live.update(Text(table)))
    lines = _ChangedLines()
    return _follow(kubectl, name, deadline, require_operator, lines.show)


def _follow(
    kubectl: Kubectl, name: str, deadline: float, require_operator: Callable[[], None], show: Callable[[str], None]
) -> dict[str, Any]:
    while time.monotonic() < deadline:
        require_operator()
        show(kubectl("get", "ptj", name).rstrip())
        job = kubectl.job(name)
        if job.get("status", {}).get("phase") in _FINISHED:
            show(kubectl("get", "ptj", name).rstrip())
            return job
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"{name} did not finish in time; its state:\n{kubectl('describe', 'ptj', name)}")


class _ChangedLines:
    """Where no terminal can redraw a table: its heading once, then each new row."""

    def __init__(self) -> None:
        self._heading = ""
        self._row = ""

    def show(self, table: str) -> None:
        heading, _, row = table.partition("\n")
        if not self._heading:
            console.print(heading, markup=False)
            self._heading = heading
        # The two ages at the end change every second and say nothing.
        told = row.rsplit(maxsplit=2)[0]
        if told != self._row:
            console.print(row, markup=False)
            self._row = told
