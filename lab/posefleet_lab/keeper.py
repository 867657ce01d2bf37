"""Ends a cluster whose starter has gone: ``python -m posefleet_lab.keeper DIRECTORY [--disposable]``.

The starter holds the other end of this program's standard input. When it ends, however it ends, the
input ends too, and what the directory's state file names is stopped, its data are deleted, and the directory of a
disposable cluster is, too. So a test run that was killed leaves nothing running.
"""

import shutil
import signal
import sys
from pathlib import Path

from .shutdown import remove_data, shut_down

DISPOSABLE = "--disposable"


def main() -> None:
    """Wait for the end of the input, then stop the cluster."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    directory = Path(sys.argv[1])
    if shut_down(directory):
        remove_data(directory)
    if DISPOSABLE in sys.argv[2:]:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
