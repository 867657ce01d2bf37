"""The Python stacks of a rank that hangs, which it writes to its output when its launcher asks for them.

This module imports next to nothing, so that a rank that hangs while it imports libraries can be asked, too.
"""

import faulthandler
import signal

#: Asks a rank for the stacks of all its threads.
STACKS_SIGNAL = signal.SIGUSR1


def write_stacks_on_signal() -> None:
    """Let ``STACKS_SIGNAL`` write the stacks to stderr, from now on.

    The handler is written in C and runs at once, even if the interpreter's lock is never released again, as in a call
    into a library that hangs.
    """
    faulthandler.register(STACKS_SIGNAL, all_threads=True)
