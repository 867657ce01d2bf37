"""The errors that end a trainer process, each with its exit code and the reason that the operator reports."""

from posefleet_api.outcomes import ExitCode, TerminationReason


def first_line(error: Exception) -> str:
    """Return the first line of what a library's error says, or the name of its type if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


class TrainerError(Exception):
    """Base of the errors below. The message names the thing, what is wrong with it, and what to do."""

    exit_code: ExitCode = ExitCode.FAILED
    reason: TerminationReason = "Error"


class InvalidInput(TrainerError):
    """The manifest or the data set is wrong. Another attempt would fail in the same way."""

    exit_code = ExitCode.INVALID_INPUT
    reason: TerminationReason = "InvalidInput"


class StoreUnreachable(TrainerError):
    """The store did not answer within the time that the caller allows."""

    exit_code = ExitCode.STORE_UNREACHABLE
    reason: TerminationReason = "StoreUnreachable"


class Preempted(TrainerError):
    """A rank was asked to stop while it trained or predicted, and its checkpoint is in the store."""

    exit_code = ExitCode.PREEMPTED
    reason: TerminationReason = "Preempted"


class Stopped(BaseException):
    """SIGTERM arrived outside training and prediction.

    It is no ``Exception``, so that libraries that catch every ``Exception`` do not swallow it.
    """


class PeerLost(TrainerError):
    """Another rank did not join, or went away during a collective."""

    exit_code = ExitCode.PEER_LOST
    reason: TerminationReason = "PeerLost"


class Superseded(TrainerError):
    """A newer attempt of the job has begun, so this one must not write anything more."""


class NonFiniteLoss(TrainerError):
    """A loss or the gradient became NaN or infinite."""

    reason: TerminationReason = "NonFiniteLoss"


class PreflightFailed(TrainerError):
    """This machine cannot train the job. Another machine may."""

    reason: TerminationReason = "PreflightFailed"
