"""What the demo prints: its steps, the table of the job while it runs, and the commands to look around."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from posefleet_demo.kubectl import Kubectl
from posefleet_lab.cluster import Cluster

console = Console(highlight=False, soft_wrap=True)
_POLL_SECONDS = 1.0
_FINISHED = ("Succeeded", "Failed")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show ``title`` while the block runs, and print it with the elapsed seconds when the block ends."""
    began = time.monotonic()
    with console.status(title):
        yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - began:.1f} s[/]")


def watch_job(
    kubectl: Kubectl, name: str, timeout_seconds: float, require_operator: Callable[[], None]
) -> dict[str, Any]:
    """Show the table of ``kubectl get ptj`` until the job is finished, and return the job.

    Raises:
        ComponentError: from ``require_operator``, if the operator has ended.
        TimeoutError: the job is not finished after ``timeout_seconds``.
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
    """Prints a table to something other than a terminal: the heading once, then each row that differs from the last."""

    def __init__(self) -> None:
        self._heading = ""
        self._row = ""

    def show(self, table: str) -> None:
        heading, _, row = table.partition("\n")
        if not self._heading:
            console.print(heading, markup=False)
            self._heading = heading
        # The two ages at the end of a row change every second.
        progress = row.rsplit(maxsplit=2)[0]
        if progress != self._row:
            console.print(row, markup=False)
            self._row = progress


def wait_for_ctrl_c(cluster: Cluster, kubectl: Kubectl, metrics_port: int) -> None:
    """Print commands to look around in the cluster, and wait for Ctrl-C."""
    store = cluster.store
    console.print(
        f"""
Everything stays up. In another terminal:

  export KUBECONFIG={cluster.kubeconfig}
  {kubectl.binary} -n {kubectl.namespace} get ptj,jobs,pods
  {kubectl.binary} -n {kubectl.namespace} describe ptj
  {kubectl.binary} -n {kubectl.namespace} get events
  {kubectl.binary} -n {kubectl.namespace} logs -l posefleet.io/component=attempt
  {kubectl.binary} explain ptj.spec.training
  curl http://127.0.0.1:{metrics_port}/metrics

  MinIO console {store.console}; its user and password are in the Secret lab-s3:
  {kubectl.binary} -n {kubectl.namespace} get secret lab-s3 -o jsonpath='{{.data}}'

Ctrl-C here stops everything.""",
        markup=False,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("stopping")
