"""Starts one container: ``python -m posefleet_lab.process_node.launcher SPEC REPORT_FD``.

The launcher writes one line, ``started <pid>`` or ``failed <message>``, to the file descriptor. Then it waits and exits
with the container's exit code, which is 128 + n after signal n. It forwards SIGTERM to the main process only. SIGUSR2,
which the kernel also sends when the node agent dies, makes it kill all processes of the container.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from ...processes import kill_descendants
from . import libc
from .program import PASSED_ON, LaunchSpec, run_program
from .rootfs import build_root


def main() -> int:
    """Run the container of the spec file named on the command line."""
    spec = LaunchSpec.read(Path(sys.argv[1]))
    report = int(sys.argv[2])
    os.set_inheritable(report, False)
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    agent = os.getppid()
    for path in spec.cgroup_files:
        Path(path).write_text(str(os.getpid()))
    try:
        _enter_namespaces(spec)
    except OSError as error:
        os.write(report, f"failed {error}\n".encode())
        return 128
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGUSR2)
    if os.getppid() != agent:
        return 128
    child = _fork(spec, report)
    return _supervise(child, report)


def _enter_namespaces(spec: LaunchSpec) -> None:
    if not spec.isolated:
        return
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(libc.CLONE_NEWUSER | libc.CLONE_NEWNS | libc.CLONE_NEWUTS | libc.CLONE_NEWPID)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{spec.uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{spec.gid} {gid} 1")
    libc.sethostname(spec.hostname)


def _fork(spec: LaunchSpec, report: int) -> int:
    """Fork the main process, and report its pid to the agent once its program runs."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become_container(spec, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        failure = pipe.read()
    os.write(report, b"failed " + failure + b"\n" if failure else f"started {child}\n".encode())
    return child


def _become_container(spec: LaunchSpec, failure: int) -> None:
    """Replace this process by the container's program. On failure write the reason to ``failure`` and exit with 128."""
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        if spec.isolated:
            build_root(spec)
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        os.umask(0o022)
        os.chdir(spec.working_directory)
        run_program(spec.argv, spec.env)
    except BaseException as error:
        os.write(failure, str(error).replace("\n", " ").encode())
    os._exit(128)


def _supervise(child: int, report: int) -> int:
    def terminate(_number: int, _frame: FrameType | None) -> None:
        os.kill(child, signal.SIGTERM)

    def kill(_number: int, _frame: FrameType | None) -> None:
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, kill)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    os.close(report)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    kill_descendants()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
