"""The attempt of a job that is polled for its progress, and what the polls have shown.

All times are readings of the operator's own monotonic clock, because wall clocks jump and those of nodes differ.
"""

from dataclasses import dataclass

from posefleet_api.outcomes import ProgressReport


@dataclass(frozen=True)
class Polling:
    """What the polls of an attempt's progress have shown so far, in seconds."""

    #: How far apart the first and the last answer are that showed the newest step. 0 if there was no answer.
    same_step_for: float = 0.0
    #: How far apart the last answer and the last poll are, or the begin of polling and the last poll if none was
    #: answered. This is 0 if the last poll was answered.
    silent_for: float = 0.0
    #: For how long connections have been accepted and left without an answer, as by a process that hangs.
    mute_for: float = 0.0
    #: How long ago it was first seen at its newest step.
    since_advance: float = 0.0
    #: How long ago each polled attempt that has answered was last seen to advance, in ascending order.
    fleet: tuple[float, ...] = ()


@dataclass
class Target:
    """The attempt of a job that is polled, its last report, and the times of what the polls have shown."""

    attempt: int
    address: str
    polled_since: float
    report: ProgressReport | None = None
    #: When an answer first showed the step that the newest answer shows.
    advanced_at: float | None = None
    #: When the newest answer came.
    heard_at: float | None = None
    #: When it was asked last, with or without an answer.
    asked_at: float | None = None
    #: When the first and the last of the connections since then were accepted and left without an answer.
    mute_since: float | None = None
    mute_until: float | None = None

    def heard(self, report: ProgressReport, now: float) -> bool:
        """Take in an answer, and return whether it differs from the last one."""
        if self.report is None or report.last_step_time != self.report.last_step_time:
            self.advanced_at = now
        changed = report != self.report
        self.report, self.heard_at, self.asked_at = report, now, now
        self.mute_since = self.mute_until = None
        return changed

    def mute(self, now: float) -> None:
        """Take in that a connection was accepted and left without an answer."""
        self.mute_since = now if self.mute_since is None else self.mute_since
        self.mute_until = self.asked_at = now

    def unreachable(self, now: float) -> None:
        """Take in that nothing could be asked, which says nothing about the process."""
        self.asked_at = now
        self.mute_since = self.mute_until = None

    def polling(self, now: float, fleet: tuple[float, ...] = ()) -> Polling:
        """Return what the polls have shown by now."""
        return Polling(
            same_step_for=_between(self.advanced_at, self.heard_at),
            silent_for=_between(self.polled_since if self.heard_at is None else self.heard_at, self.asked_at),
            since_advance=_between(self.advanced_at, now),
            mute_for=_between(self.mute_since, self.mute_until),
            fleet=fleet,
        )


def _between(first: float | None, last: float | None) -> float:
    return last - first if first is not None and last is not None else 0.0
