"""What the ends of a node's ranks mean together."""

import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posefleet_api.outcomes import ExitCode, TerminationMessage

#: Which end explains a node's end best, the most telling first; codes not named here come before PEER_LOST.
_TELLING = (ExitCode.INVALID_INPUT, ExitCode.PREEMPTED, ExitCode.STORE_UNREACHABLE)


@dataclass(frozen=True)
class RankEnd:
    """How one rank ended."""

    rank: int
    return_code: int
    """As ``Popen`` has it: -n for signal n."""
    message_file: Path

    @property
    def exit_code(self) -> int:
        """As a shell has it, 128 + n for signal n; but a rank that SIGTERM ends was asked to stop before it trained."""
        if self.return_code == -signal.SIGTERM:
            return ExitCode.PREEMPTED
        return 128 - self.return_code if self.return_code < 0 else self.return_code

    @property
    def message(self) -> TerminationMessage:
        """What it said last, or what its exit code says for it."""
        # A full disk leaves an empty file, which must not hide the exit code.
        with contextlib.suppress(OSError, ValueError):
            return TerminationMessage.model_validate_json(self.message_file.read_bytes())
        if self.exit_code == ExitCode.PREEMPTED:
            return TerminationMessage(reason="Preempted", message="asked to stop before training began")
        return TerminationMessage(reason="Error", message=self._sudden_end())

    def _sudden_end(self) -> str:
        code = self.exit_code
        if code == 128 + signal.SIGKILL:
            return f"rank {self.rank} was killed (SIGKILL): if its memory ran out, raise resources.memoryPerNode"
        cause = f"signal {code - 128}" if code > 128 else f"exit code {code}"
        return f"rank {self.rank} ended by {cause} without a word; its log says more"


def most_telling(ends: Sequence[RankEnd]) -> RankEnd:
    """The end that explains the node's."""
    return min(ends, key=lambda end: _telling(end.exit_code))


def _telling(code: int) -> int:
    if code in _TELLING:
        return _TELLING.index(code)
    if code == ExitCode.SUCCEEDED:
        return len(_TELLING) + 2
    return len(_TELLING) + (1 if code == ExitCode.PEER_LOST else 0)
