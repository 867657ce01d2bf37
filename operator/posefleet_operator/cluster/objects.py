"""What all Kubernetes objects have in common: manifests, keys, resource versions, identities and timestamps."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from posefleet_api.constants import LABEL_ATTEMPT, LABEL_COMPONENT, LABEL_JOB, LABEL_JOB_UID

#: Others have no place in a cluster's life, and cannot all be reckoned with.
_YEARS = range(1970, 9000)


def to_timestamp(moment: datetime) -> str:
    """``moment`` as ``2026-01-31T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_timestamp(text: str | None) -> datetime | None:
    """The moment of a timestamp; None for an absent or unreadable one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seconds_between(start: str | None, end: datetime) -> float:
    """Seconds from a timestamp to ``end``, never negative; 0 for an absent timestamp."""
    begun = from_timestamp(start)
    return max(0.0, (end - begun).total_seconds()) if begun else 0.0


Manifest = dict[str, Any]
#: Namespace and name of a PoseTrainingJob.
Key = tuple[str, str]


@dataclass(frozen=True)
class Identity:
    """What every child says of itself and of the job that it belongs to."""

    name: str
    uid: str
    #: Of the API server's history: a larger one is newer.
    version: int
    owner: Key
    owner_uid: str
    component: str
    #: The attempt, or the try of the prepare Job.
    number: int
    deleted_at: datetime | None

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        metadata = manifest["metadata"]
        labels = metadata.get("labels") or {}
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            version=version_of(manifest),
            owner=(metadata.get("namespace", ""), labels.get(LABEL_JOB, "")),
            owner_uid=labels.get(LABEL_JOB_UID, ""),
            component=labels.get(LABEL_COMPONENT, ""),
            number=parse_number(labels.get(LABEL_ATTEMPT)),
            deleted_at=from_timestamp(metadata.get("deletionTimestamp")),
        )


def version_of(manifest: Manifest) -> int:
    """The resourceVersion as a number; 0 for one that is not a number."""
    text = str(manifest["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def conditions_by_type(status: Manifest, wanted: str = "True") -> dict[str, Manifest]:
    return {c["type"]: c for c in status.get("conditions") or () if c.get("status") == wanted}


def parse_number(text: Any) -> int:
    """0 for what is not a number of a sane size; anybody may write annotations."""
    return int(text) if re.fullmatch("[0-9]{1,9}", str(text)) else 0


def key_of(manifest: Manifest) -> Key:
    """Namespace and name."""
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
