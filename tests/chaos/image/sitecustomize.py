"""Python runs this before a trainer's own code, in the image of the trainings that faults strike.

A process that receives SIGUSR2 takes more and more memory, until the limit of its container ends it.
"""

import signal
import time

_PART_BYTES = 2**25
_PAUSE_SECONDS = 0.02
#: More than any container of these tests may have.
_PARTS = 160


def _take_memory(*_: object) -> None:
    hoard = []
    for _number in range(_PARTS):
        hoard.append(b"\1" * _PART_BYTES)
        time.sleep(_PAUSE_SECONDS)


signal.signal(signal.SIGUSR2, _take_memory)
