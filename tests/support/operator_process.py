"""The real operator as a process, to be stopped, killed and started again."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from posefleet_lab.ports import free_port
from support.waiting import wait_for


class OperatorProcess:
    """``posefleet-operator run``; starting it again goes on in the same log."""

    def __init__(self, log: Path, **options: str) -> None:
        """``options`` are those of the command, with ``_`` for ``-``."""
        self.port = free_port()
        self.log = log
        given = {
            "http_host": "127.0.0.1",
            "http_port": str(self.port),
            "progress_seconds": "1",
            **options,
        }
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        self._command = [sys.executable, "-m", "posefleet_operator", "run", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        #: Variables that it gets beside those of the tests.
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start it; it need not be ready yet."""
        with self.log.open("ab") as output:
            # A Kubernetes client that is killed leaves its certificates behind where temporary files go.
            environment = {**os.environ, "TMPDIR": str(self.log.parent), **self.environment}
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, env=environment)

    def wait_until_ready(self) -> None:
        """Until it leads or stands by."""
        wait_for("the operator to be ready", lambda: self._alive() and self.state() in {"leading", "standby"}, 60)

    def wait_until_leading(self) -> None:
        """Until it acts."""
        wait_for("the operator to lead", lambda: self._alive() and self.state() == "leading", 60)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def state(self) -> str:
        """What it says of itself: starting, standby or leading; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return str(answer.read().decode().strip())
        except (urllib.error.URLError, OSError):
            return ""

    def metrics(self) -> str:
        """Its metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it as Kubernetes does."""
        if not self.running:
            return
        assert self._process is not None
        self.send(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def _alive(self) -> bool:
        assert self.running, f"the operator ended:\n{self.log.read_text()[-3000:]}"
        return True
