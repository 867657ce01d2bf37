"""A container's program: how the node describes it, and how a process becomes it."""

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
    """A file or directory of the host that the container sees at ``path``."""

    path: str
    source: str
    read_only: bool = False


@dataclass(frozen=True)
class LaunchSpec:
    """One container's process and what it sees of the machine."""

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
        """Write the file; it holds the container's environment, so only its owner may read it."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "LaunchSpec":
        """Read what ``write`` wrote."""
        data: dict[str, Any] = json.loads(path.read_text())
        data["mounts"] = [Mount(**mount) for mount in data["mounts"]]
        return cls(**data)


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
