"""The real operator as a process with the rights of its service account, to be killed and started again."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from posefleet_lab.ports import free_port
from support.waiting import wait_for


class OperatorProcess:
    """``posefleet-operator`` for some namespaces of a cluster."""

    def __init__(self, kubeconfig: Path, namespace: str, image: str, log: Path) -> None:
        self._port = free_port()
        self._log = log
        self._command = [
            *(sys.executable, "-m", "posefleet_operator"),
            *("--kubeconfig", str(kubeconfig), "--trainer-image", image, "--namespaces", namespace),
            *("--http-host", "127.0.0.1", "--http-port", str(self._port)),
            *("--lease-namespace", namespace, "--lease-seconds", "3", "--progress-seconds", "1"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it leads."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, env=dict(os.environ))
        wait_for("the operator to be ready", self._ready, 60)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM."""
        self._end(signal.SIGTERM)

    def log(self) -> str:
        """Everything it has logged."""
        return self._log.read_text()

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the operator ended:\n{self.log()[-3000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
