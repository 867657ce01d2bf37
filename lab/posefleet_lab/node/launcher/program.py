"""Turning this process into a container's program."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

PASSED_ON = {signal.SIGTERM, signal.SIGUSR2}


def run_program(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Replace this process by the program, found on the container's own PATH. Raises OSError."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    program = argv[0]
    candidates = [program]
    if "/" not in program:
        candidates = [f"{directory}/{program}" for directory in env.get("PATH", "").split(":")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not Path(candidate).is_dir():
            os.execve(candidate, list(argv), dict(env))  # noqa: S606 - a container runs what its pod says
    if "/" in program and Path(program).exists():
        raise PermissionError(f'exec: "{program}": permission denied')
    place = (
        "stat " + program + ": no such file or directory" if "/" in program else "executable file not found in $PATH"
    )
    raise FileNotFoundError(f'exec: "{program}": {place}')
