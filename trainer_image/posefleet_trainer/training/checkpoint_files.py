"""Checkpoints in the store: their names, and the manifests that describe them.

A checkpoint is a file (``.ckpt``) with a manifest (``.json``) beside it, which is written after the file is complete.
The name says which attempt of which job wrote it, so that no attempt overwrites the checkpoint of another one.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.status import Checkpoint
from posefleet_trainer.output_folder import CHECKPOINTS_FOLDER
from posefleet_trainer.store.fence import AttemptId

_KEY = re.compile(rf"{CHECKPOINTS_FOLDER}step-(\d{{9}})-attempt-(\d+)-([0-9a-f]{{8}})\.(?:ckpt|json)")


@dataclass(frozen=True, order=True)
class CheckpointName:
    """The name of a checkpoint."""

    step: int
    """Optimizer steps that were done when it was written."""
    attempt: int
    """Number of the attempt that wrote it."""
    job_mark: str
    """``AttemptId.job_mark`` of the job that wrote it."""

    @classmethod
    def of(cls, step: int, attempt: AttemptId) -> "CheckpointName":
        """Return the name of the checkpoint that ``attempt`` writes after ``step`` steps."""
        return cls(step, attempt.number, attempt.job_mark)

    @classmethod
    def parse(cls, key: str) -> "CheckpointName | None":
        """Return the name in the key of a checkpoint's file or manifest; None if ``key`` is neither."""
        match = _KEY.fullmatch(key)
        return cls(int(match.group(1)), int(match.group(2)), match.group(3)) if match else None

    @property
    def file_key(self) -> str:
        """The key of the checkpoint's file."""
        return f"{self._stem}.ckpt"

    @property
    def manifest_key(self) -> str:
        """The key of its manifest."""
        return f"{self._stem}.json"

    @property
    def _stem(self) -> str:
        return f"{CHECKPOINTS_FOLDER}step-{self.step:09d}-attempt-{self.attempt}-{self.job_mark}"

    def is_deletable_by(self, attempt: AttemptId) -> bool:
        """Return whether ``attempt`` may delete the checkpoint: unless a newer attempt of the same job wrote it."""
        return self.job_mark != attempt.job_mark or self.attempt <= attempt.number


class CheckpointManifest(ApiModel):
    """Describes a checkpoint whose file is complete in the store."""

    uri: str
    """Where the checkpoint's file is."""
    key: str
    """Key of the file in the output folder."""
    step: Annotated[int, Field(ge=0)]
    """Optimizer steps that were done when it was written."""
    attempt: Annotated[int, Field(ge=0)]
    """Number of the attempt that wrote it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file."""
    bytes: Annotated[int, Field(ge=1)]
    """Size of the file."""
    time: str
    """When the upload of the file ended, in ISO 8601 and UTC."""
    fingerprint: str
    """``training_fingerprint`` of the training that it belongs to."""
    network_version: int
    """``NETWORK_VERSION`` of the image that wrote it."""

    def in_status(self) -> Checkpoint:
        """Return what the operator is told about the checkpoint."""
        return Checkpoint(uri=self.uri, step=self.step, time=self.time, sha256=self.sha256)
