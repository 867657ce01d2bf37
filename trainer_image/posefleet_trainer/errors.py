"""How a trainer process fails: each error knows its exit code and the reason that the operator reports."""

from posefleet_api.outcomes import ExitCode, TerminationReason


class TrainerError(Exception):
    """An end of the job that has a name. The message names the thing, what is wrong with it, and what to do."""

    exit_code: ExitCode = ExitCode.FAILED
    reason: TerminationReason = "Error"


class InvalidInput(TrainerError):
    """The manifest or the data set is wrong; another attempt would end the same way."""

    exit_code = ExitCode.INVALID_INPUT
    reason: TerminationReason = "InvalidInput"


class StoreUnreachable(TrainerError):
    """The store did not answer for longer than the caller's patience."""

    exit_code = ExitCode.STORE_UNREACHABLE
    reason: TerminationReason = "StoreUnreachable"


class Preempted(TrainerError):
    """A rank was asked to stop; the checkpoint is in the store."""

    exit_code = ExitCode.PREEMPTED
    reason: TerminationReason = "Preempted"


class Stopped(BaseException):
    """SIGTERM came outside of training and predicting; no library that survives every ``Exception`` may swallow it."""


class PeerLost(TrainerError):
    """Another rank went away in the middle of a collective."""

    exit_code = ExitCode.PEER_LOST
    reason: TerminationReason = "PeerLost"


class NonFiniteLoss(TrainerError):
    """A loss became NaN or infinite."""

    reason: TerminationReason = "NonFiniteLoss"


class PreflightFailed(TrainerError):
    """This machine cannot train; another one may."""

    reason: TerminationReason = "PreflightFailed"
