"""The specification of a container's process, and the replacement of the current process by the container's program."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PASSED_ON = {signal.SIGTERM, signal.SIGUSR2}


@dataclass(frozen=True)
class Mount:
    """A file or directory of the host that is mounted at ``path``."""

    path: str
    source: str
    read_only: bool = False


@dataclass(frozen=True)
class LaunchSpec:
    """The process of one container, and what it sees of the machine. The agent passes it to the launcher in a file."""

    argv: list[str]
    env: dict[str, str]
    working_directory: str
    hostname: str
    uid: int
    gid: int
    root: str
    mounts: list[Mount] = field(default_factory=list)
    kept_paths: list[str] = field(default_factory=list)
    read_only_root: bool = False
    isolated: bool = True
    cgroup_files: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the file, which only its owner can read because it contains the container's environment."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "LaunchSpec":
        """Read a file that ``write`` has written."""
        data: dict[str, Any] = json.loads(path.read_text())
        data["mounts"] = [Mount(**mount) for mount in data["mounts"]]
        return cls(**data)


def run_program(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Replace this process by the program, which is searched for on the PATH in ``env``. Raises OSError."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these signals, and the program would inherit that
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
