"""A long-running program of the lab: its log, its pid, its end."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ComponentError
from .processes import ProcessIdentity
from .system_programs import system_path

_LOG_TAIL_LINES = 15


@dataclass
class Component:
    """A program in a session of its own, so that Ctrl-C in a terminal is the caller's to handle."""

    name: str
    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Return the file with its standard output and error."""
        return self.directory / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Return the file that names its last process."""
        return self.directory / f"{self.name}.pid"

    def start(self) -> None:
        """Start the program; what it writes is added to the log."""
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
        """Wait for a condition; raise ComponentError with the log's end if the program ends or time is up."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            self.require_alive(f" before {what}")
            if time.monotonic() > deadline:
                raise self._error(f"not {what} after {timeout_seconds:.0f} s")
            time.sleep(0.05)

    def require_alive(self, moment: str = "") -> None:
        """Raise ComponentError with the log's end if the program has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise self._error(f"ended with exit code {self._process.returncode}{moment}")

    def wait(self) -> None:
        """Wait for the end of a program that ends by itself; raise ComponentError with the log's end if it failed."""
        if self._process is not None and (code := self._process.wait()):
            raise self._error(f"ended with exit code {code}")

    def alive(self) -> bool:
        """Tell whether the program runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, grace_seconds: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after the grace time. Stopping what does not run does nothing."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _error(self, problem: str) -> ComponentError:
        return ComponentError(f"{self.name}: {problem}. The end of {self.log}:\n{tail(self.log)}")


def tail(log: Path, lines: int = _LOG_TAIL_LINES) -> str:
    """Return the last lines of a log, indented."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (it wrote nothing)"


def _inherited_environment() -> dict[str, str]:
    """Everything but proxies, for the lab's traffic stays on this machine, and the system's own programs."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PATH": system_path()}
