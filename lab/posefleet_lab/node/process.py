"""A container's process: the launcher around it, its log, its signals, its end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from ..paths import GO_MODULES
from .launcher.spec import LaunchSpec
from .logs import copy_stream

_LAUNCHER = (sys.executable, "-S", "-m", "posefleet_lab.node.launcher")


class StartError(Exception):
    """The container's program could not be started; the message is the launcher's."""


class ContainerProcess:
    """One run of a container. ``pid`` is its main process on this machine."""

    def __init__(self, launcher: asyncio.subprocess.Process, pid: int, log_copy: "asyncio.Future[list[None]]") -> None:
        self.pid = pid
        self._launcher = launcher
        self._log_copy = log_copy

    @classmethod
    async def start(cls, spec: LaunchSpec, spec_file: Path, log: Path) -> "ContainerProcess":
        """Start the launcher and return when the container's program runs. Raises StartError."""
        spec.write(spec_file)
        reading, writing = os.pipe()
        try:
            launcher = await asyncio.create_subprocess_exec(
                *_LAUNCHER,
                str(spec_file),
                str(writing),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(writing,),
                env={"PYTHONPATH": str(GO_MODULES), "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
        finally:
            os.close(writing)
        log_copy = asyncio.ensure_future(_copy_logs(launcher, log))
        outcome, _, detail = (await _read_line(reading)).partition(" ")
        if outcome != "started":
            await launcher.wait()
            await log_copy
            raise StartError(detail or "the launcher ended without a word")
        return cls(launcher, int(detail), log_copy)

    def terminate(self) -> None:
        """SIGTERM to the main process alone."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to everything in the container."""
        self._signal(signal.SIGUSR2)

    async def wait(self) -> int:
        """Return the exit code once everything in the container has ended and its log is written."""
        code = await self._launcher.wait()
        await self._log_copy
        return 128 - code if code < 0 else code

    @property
    def launcher_pid(self) -> int:
        """Return the pid above everything in the container."""
        return self._launcher.pid

    def _signal(self, number: signal.Signals) -> None:
        if self._launcher.returncode is None:
            self._launcher.send_signal(number)


async def _copy_logs(launcher: asyncio.subprocess.Process, log: Path) -> list[None]:
    assert launcher.stdout is not None
    assert launcher.stderr is not None
    with log.open("ab") as file:
        return list(
            await asyncio.gather(
                copy_stream(launcher.stdout, "stdout", file), copy_stream(launcher.stderr, "stderr", file)
            )
        )


async def _read_line(descriptor: int) -> str:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return (await reader.readline()).decode(errors="replace").strip()
    finally:
        transport.close()
