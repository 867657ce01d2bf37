"""A long-running program of the lab with its log, its pid file and its end."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ComponentError
from .processes import ProcessIdentity
from .system_programs import system_path

_LOG_TAIL_LINES = 15


@dataclass
class Component:
    """A program that runs in its own session, so that Ctrl-C in a terminal reaches only the caller.

    Args:
        name: the name of the log file and the pid file in ``directory``.
        command: the program and its arguments.
        directory: the working directory of the program.
        environment: variables in addition to those of this process.
    """

    name: str
    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Return the file that receives its standard output and standard error."""
        return self.directory / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Return the file with the identity of its last process."""
        return self.directory / f"{self.name}.pid"

    def start(self) -> None:
        """Start the program. Its output is appended to the log."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command),
                cwd=self.directory,
                env={**_inherited_environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ProcessIdentity.of(self._process.pid).write(self.pid_file)

    def wait_until(self, ready: Callable[[], bool], what: str, timeout_seconds: float = 60.0) -> None:
        """Wait until ``ready`` returns True; ``what`` names that state in error messages.

        Raises:
            ComponentError: with the last lines of the log, if the program ends first or the time is over.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            self.require_alive(f" before {what}")
            if time.monotonic() > deadline:
                raise self._error(f"not {what} after {timeout_seconds:.0f} s")
            time.sleep(0.05)

    def wait_for_answer(self, url: str, opener: urllib.request.OpenerDirector | None = None) -> None:
        """Wait until a GET request for ``url`` has the status 200.

        Args:
            url: of the program's health check.
            opener: sends the requests, for example with a client certificate; None ignores the user's proxies.

        Raises:
            ComponentError: with the last lines of the log, if the program ends first or does not answer in time.
        """
        client = opener or urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def answers() -> bool:
            try:
                with client.open(url, timeout=2) as response:
                    return bool(response.status == 200)
            except OSError:
                return False

        self.wait_until(answers, "ready")

    def require_alive(self, moment: str = "") -> None:
        """Raise ComponentError with the last lines of the log if the program was started and has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise self._error(f"ended with exit code {self._process.returncode}{moment}")

    def wait(self) -> None:
        """Wait until the program ends by itself.

        Raises:
            ComponentError: with the last lines of the log, if the exit code is not 0.
        """
        if self._process is not None and (code := self._process.wait()):
            raise self._error(f"ended with exit code {code}")

    def alive(self) -> bool:
        """Return whether the program runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Send SIGTERM, and SIGKILL after the grace period. Does nothing if the program does not run."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """Send SIGKILL and wait for the end, to imitate a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Send SIGSTOP, to imitate a machine that does not answer. Connections stay open, and nobody serves them."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _error(self, problem: str) -> ComponentError:
        return ComponentError(f"{self.name}: {problem}. The end of {self.log}:\n{tail(self.log)}")


def tail(log: Path, lines: int = _LOG_TAIL_LINES) -> str:
    """Return the last lines of a log, each indented by two spaces."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (it wrote nothing)"


def _inherited_environment() -> dict[str, str]:
    """Return the environment of this process without proxies, which the lab's local traffic must not use."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PATH": system_path()}
