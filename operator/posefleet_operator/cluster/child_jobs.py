"""The typed view of the ``batch/v1`` Jobs that belong to a PoseTrainingJob."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from posefleet_api.constants import (
    ANNOTATION_FINGERPRINT,
    ANNOTATION_GPUS,
    ANNOTATION_HELD,
    ANNOTATION_SPEC_PARTS,
    ANNOTATION_TAKEN_OVER,
)
from posefleet_operator.cluster.kueue import QUEUE_LABEL
from posefleet_operator.cluster.objects import Identity, Manifest, conditions_by_type, from_timestamp, parse_number
from posefleet_operator.fingerprints import decode_parts


@dataclass(frozen=True, slots=True)
class ChildJob:
    """The Job of an attempt, or of a try of the preparation."""

    identity: Identity
    created: datetime | None
    #: When it was last admitted. A suspended Job has no such time.
    started: datetime | None
    suspended: bool
    #: Whether it has been created and not yet released.
    held: bool
    complete: bool
    failed: bool
    finished_at: datetime | None
    #: Reason and message of the condition Complete or Failed, as the Job controller gives them.
    ending_reason: str
    ending_message: str
    #: Number of pods that the Job controller has counted as ended.
    ended_pods: int
    completions: int
    #: Name of the queue that it has been handed over to. Empty for none.
    queue: str
    #: Number of the attempt that has taken it over from the one that it was created for. 0 for none.
    taken_over_by: int
    #: Number of GPUs of the whole gang.
    gpus: int
    fingerprint: str
    #: Hash of each part of the author's spec that it was created with, as far as its version knew them.
    spec_parts: Mapping[str, str]

    @property
    def finished(self) -> bool:
        """Whether the Job is complete or failed, so that it creates no more pods."""
        return self.complete or self.failed

    @property
    def unfinished(self) -> bool:
        """Whether it may still have or create pods and has not been deleted."""
        return not self.finished and self.identity.deleted_at is None

    def following(self, earlier: Self | None, version: int) -> Self:
        """Return the Job as it is, because the order of what happened to it is not needed."""
        return self

    def tombstone(self) -> Self | None:
        """Return None, because nothing has to be kept of a deleted Job."""
        return None

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        """Read the values of a ``batch/v1`` Job."""
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        annotations = metadata.get("annotations") or {}
        conditions = conditions_by_type(status)
        spec = manifest.get("spec") or {}
        ending = conditions.get("Complete") or conditions.get("Failed") or {}
        return cls(
            identity=Identity.read(manifest),
            created=from_timestamp(metadata.get("creationTimestamp")),
            started=from_timestamp(status.get("startTime")),
            suspended=bool(spec.get("suspend")),
            held=ANNOTATION_HELD in annotations,
            complete="Complete" in conditions,
            failed="Failed" in conditions,
            finished_at=from_timestamp(ending.get("lastTransitionTime")),
            ending_reason=ending.get("reason", ""),
            ending_message=ending.get("message", ""),
            ended_pods=int(status.get("failed") or 0) + int(status.get("succeeded") or 0),
            completions=int(spec.get("completions") or 1),
            queue=(metadata.get("labels") or {}).get(QUEUE_LABEL, ""),
            taken_over_by=parse_number(annotations.get(ANNOTATION_TAKEN_OVER)),
            gpus=parse_number(annotations.get(ANNOTATION_GPUS)),
            fingerprint=annotations.get(ANNOTATION_FINGERPRINT, ""),
            spec_parts=decode_parts(annotations.get(ANNOTATION_SPEC_PARTS, "")),
        )
