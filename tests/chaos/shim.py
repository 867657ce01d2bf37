"""The clock of an operator, and its network to trainers, by a library that is loaded before its C library."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """Belongs to the operators that are started with ``environment``."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("these faults need a C compiler: install gcc")
        library = directory / "shim.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self._file = directory / "shim.state"
        self._file.write_bytes(bytes(16))
        with self._file.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 16)
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_SHIM": str(self._file)}

    def set_clock(self, seconds_ahead: float) -> None:
        """Set the clock this far ahead of the real one; negative is behind."""
        self._shared[0:8] = struct.pack("=q", int(seconds_ahead * 1e9))

    def cut_off_trainers(self, cut: bool) -> None:
        """Take the way to trainers away, or give it back."""
        self._shared[8:16] = struct.pack("=q", int(cut))
