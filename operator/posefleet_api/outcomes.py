"""How a trainer process says why it ended: an exit code and a message of at most 4,096 bytes."""

from enum import IntEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.status import Artifacts, Checkpoint, Count, Progress

MAX_TERMINATION_BYTES: Final = 4096


class ExitCode(IntEnum):
    """Exit codes of the trainer; the numbers are those of sysexits.h where it has one."""

    SUCCEEDED = 0
    FAILED = 1
    #: The store did not answer for longer than the trainer's patience. Not the job's fault.
    STORE_UNREACHABLE = 69
    #: Asked to stop (SIGTERM on any rank); a checkpoint was written.
    PREEMPTED = 75
    #: Another rank went away; its own end says why.
    PEER_LOST = 76
    #: The manifest or the data set is wrong; another attempt would end the same way.
    INVALID_INPUT = 78


#: Reasons that trainer processes give (CamelCase, as Kubernetes conditions have them).
TerminationReason = Literal[
    "Prepared",
    "Completed",
    "InvalidInput",
    "Preempted",
    "PeerLost",
    "StoreUnreachable",
    "PreflightFailed",
    "NonFiniteLoss",
    "OutOfMemory",
    "Error",
]


class TrainerMessage(ApiModel):
    """What a trainer tells the operator, whose image may be of another version."""

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """The model in JSON text; fields that this version does not know, at any depth, are passed over.

        Raises:
            ValidationError: for anything else.
        """
        return cls.model_validate_json(text, extra="ignore")


class TerminationMessage(TrainerMessage):
    """What a trainer process writes to its termination log as its last act.

    The operator has no access to the store, so whatever it must know of the results travels here.
    """

    reason: TerminationReason
    message: Annotated[str, Field(description="One or two sentences for the job's author.")] = ""
    warnings: Annotated[list[str], Field(description="What was dropped or passed over, one sentence each.")] = []
    progress: Progress | None = None
    start_step: Count | None = None
    last_checkpoint: Checkpoint | None = None
    artifacts: Artifacts | None = None

    def encode(self) -> bytes:
        """The message as JSON of at most ``MAX_TERMINATION_BYTES`` bytes; text is cut, never the JSON."""
        message = self
        while len(encoded := message.to_json().encode()) > MAX_TERMINATION_BYTES:
            if message.warnings:
                message = message.model_copy(update={"warnings": message.warnings[: len(message.warnings) // 2]})
            elif message.artifacts is not None and message.artifacts.labelled_videos:
                trimmed = message.artifacts.model_copy(update={"labelled_videos": []})
                message = message.model_copy(update={"artifacts": trimmed})
            else:
                message = message.model_copy(update={"message": message.message[: len(message.message) // 2] + "…"})
        return encoded


class ProgressReport(TrainerMessage):
    """What rank 0 answers to ``GET /progress``."""

    attempt: int
    progress: Progress
    start_step: Annotated[Count, Field(description="The step that this attempt began at.")] = 0
    last_checkpoint: Checkpoint | None = None
    last_step_time: Annotated[str, Field(description="When the last step, or part of a download, was done.")] = ""
    warnings: list[str] = []
