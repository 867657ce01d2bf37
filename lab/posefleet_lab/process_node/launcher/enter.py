"""Runs a command in a running container with its environment: ``python -m ...launcher.enter SPEC PID COMMAND...``."""

import os
import signal
import sys
from pathlib import Path

from . import libc
from .program import LaunchSpec, run_program

_NAMESPACES = ("user", "mnt", "uts", "pid")


def main() -> int:
    """Enter the namespaces of the process and run the command in them."""
    spec, pid, command = LaunchSpec.read(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3:]
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    if spec.isolated:
        descriptors = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in _NAMESPACES]
        for descriptor in descriptors:
            libc.setns(descriptor)
    child = os.fork()  # only children enter the PID namespace
    if child == 0:
        _become(spec, command)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def _become(spec: LaunchSpec, command: list[str]) -> None:
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        os.chdir(spec.working_directory)
        run_program(command, spec.env)
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    os._exit(126)


if __name__ == "__main__":
    sys.exit(main())
