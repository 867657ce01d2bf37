"""The processes of one container: starting them, running commands beside them, and measuring their memory."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ...paths import GO_MODULES
from ...processes import descendants
from ..launcher.program import LaunchSpec, Mount
from .logs import copy_stream

_LAUNCHER = (sys.executable, "-S", "-m", "posefleet_lab.process_node.launcher")
_ENTER = (sys.executable, "-S", "-m", "posefleet_lab.process_node.launcher.enter")
_OUTPUT_BYTES = 10 * 1024
_POLL_SECONDS = 0.25
_COUNTED = ("RssAnon:", "RssShmem:")
_COUNTED_EXACTLY = ("Pss_Anon:", "Pss_Shmem:")
_MOUNT_POINT = "/etc/posefleet-lab-probe"


class StartError(Exception):
    """The container's program could not be started. The message is the one from the launcher."""


class ContainerProcess:
    """One run of a container. ``pid`` is the pid of its main process on this machine."""

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
            raise StartError(detail or "the launcher ended without a message")
        return cls(launcher, int(detail), log_copy)

    def terminate(self) -> None:
        """Send SIGTERM to the main process only."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to all processes of the container."""
        self._signal(signal.SIGUSR2)

    async def wait(self) -> int:
        """Wait until all processes of the container have ended and the log is complete, and return the exit code."""
        code = await self._launcher.wait()
        await self._log_copy
        return 128 - code if code < 0 else code

    @property
    def launcher_pid(self) -> int:
        """Return the pid of the launcher, the ancestor of all processes of the container."""
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


async def execute(spec_file: Path, pid: int, command: list[str], timeout_seconds: float) -> tuple[int, str]:
    """Run the ``command`` of a probe or preStop hook in the container of ``pid``. Returns exit code and output.

    Raises:
        TimeoutError: the command takes longer than ``timeout_seconds``. It is killed.

    """
    process = await asyncio.create_subprocess_exec(
        *_ENTER,
        str(spec_file),
        str(pid),
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PYTHONPATH": str(GO_MODULES), "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output[:_OUTPUT_BYTES].decode(errors="replace").strip()


async def until_over_limit(launcher_pid: int, limit_bytes: int) -> None:
    """Return when the processes of a container together use more memory than ``limit_bytes``.

    A limit on address space would not do, because programs such as CUDA and PyTorch reserve more than they use.
    """
    while True:
        pids = descendants(launcher_pid)
        if memory_bytes(pids) > limit_bytes and exact_memory_bytes(pids) > limit_bytes:
            return
        await asyncio.sleep(_POLL_SECONDS)


def memory_bytes(pids: Iterable[int]) -> int:
    """Return an upper bound of the memory of processes, in which shared pages count once for each process."""
    return sum(_sum_of(Path(f"/proc/{pid}/status"), _COUNTED) for pid in pids)


def exact_memory_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes with shared pages counted once. This is slower than ``memory_bytes``."""
    return sum(_sum_of(Path(f"/proc/{pid}/smaps_rollup"), _COUNTED_EXACTLY) for pid in pids)


def _sum_of(file: Path, fields: tuple[str, ...]) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0  # the process has ended, or belongs to another user
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))


async def can_isolate() -> bool:
    """Return whether this machine allows containers with their own namespaces and root, by starting one."""
    with tempfile.TemporaryDirectory(prefix="posefleet-lab-") as directory:
        spec = _probe(Path(directory))
        try:
            process = await ContainerProcess.start(spec, Path(directory, "spec.json"), Path(directory, "log"))
        except StartError:
            return False
        return await process.wait() == 0


def _probe(directory: Path) -> LaunchSpec:
    root, source = directory / "root", directory / "probe"
    root.mkdir()
    source.touch()
    return LaunchSpec(
        argv=["/bin/sh", "-c", f"test -e {_MOUNT_POINT}"],
        env={},
        working_directory="/",
        hostname="probe",
        uid=65532,
        gid=65532,
        root=str(root),
        mounts=[Mount(_MOUNT_POINT, str(source))],
    )
