"""What a trainer sends to the operator: exit codes, termination messages and progress reports."""

from enum import IntEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from posefleet_api.base import ApiModel
from posefleet_api.status import Artifacts, Checkpoint, Count, Progress

MAX_TERMINATION_BYTES: Final = 4096


class ExitCode(IntEnum):
    """Exit codes of the trainer. The numbers are those of sysexits.h where that has a fitting one."""

    SUCCEEDED = 0
    FAILED = 1
    #: The store did not answer for longer than the trainer waits, which is not the job's fault.
    STORE_UNREACHABLE = 69
    #: A rank was asked to stop (SIGTERM), and a checkpoint was written.
    PREEMPTED = 75
    #: Another rank went away. Its own exit says why.
    PEER_LOST = 76
    #: The manifest or the dataset is wrong, so another attempt would end in the same way.
    INVALID_INPUT = 78


#: The reasons that trainer processes give, in CamelCase as in Kubernetes conditions.
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
    """Base of what a trainer sends to the operator. The two images may be of different versions."""

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Parse JSON text, and ignore fields at any depth that this version does not know.

        Raises:
            ValidationError: if the text does not fit the model otherwise.
        """
        return cls.model_validate_json(text, extra="ignore")

    @field_validator("last_checkpoint", mode="wrap", check_fields=False)
    @classmethod
    def _writable(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Leave out a checkpoint that no status could hold, such as one with a malformed time."""
        try:
            return handler(value)
        except ValidationError:
            return None


class TerminationMessage(TrainerMessage):
    """What a trainer process writes to its termination log before it ends.

    The operator has no access to the store, so this has everything that it must know about the results.
    """

    reason: TerminationReason
    message: Annotated[str, Field(description="One or two sentences for the job's author.")] = ""
    warnings: Annotated[
        list[str], Field(description="Problems that the process worked around, one sentence each.")
    ] = []
    progress: Progress | None = None
    start_step: Count | None = None
    last_checkpoint: Checkpoint | None = None
    artifacts: Artifacts | None = None

    def encode(self) -> bytes:
        """Return JSON of at most ``MAX_TERMINATION_BYTES`` bytes. Texts and lists are shortened until it fits."""
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
    """The answer of rank 0 to ``GET /progress``."""

    attempt: int
    progress: Progress
    start_step: Annotated[Count, Field(description="The step from which this attempt resumed.")] = 0
    last_checkpoint: Checkpoint | None = None
    checkpoint_request: Annotated[
        str, Field(description="The request for a checkpoint that the newest finished one answered, or empty.")
    ] = ""
    last_step_time: Annotated[
        str, Field(description="Time at which the last step, or part of a download, was done.")
    ] = ""
    warnings: list[str] = []
