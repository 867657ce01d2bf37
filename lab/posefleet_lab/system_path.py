"""Where the system's own programs are: some users, and programs with a small environment, do not look in sbin."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


def system_path(environ: Mapping[str, str] = os.environ) -> str:
    """Return the PATH with the system's directories at its end."""
    own = environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(directory for directory in (*own, *_SYSTEM) if directory))


def is_there(program: str) -> bool:
    """Tell whether a program can be run by its name or path."""
    return Path(program).exists() if "/" in program else shutil.which(program, path=system_path()) is not None
