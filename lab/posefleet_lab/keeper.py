"""Ends a cluster whose starter has gone: ``python -m posefleet_lab.keeper DIRECTORY``.

The starter holds the other end of this program's standard input. When it ends, however it ends, the
input ends too, and what the directory's state file names is stopped. So a test run that was killed
leaves nothing running.
"""

import signal
import sys
from pathlib import Path

from .shutdown import shut_down


def main() -> None:
    """Wait for the end of the input, then stop the cluster."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    shut_down(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
