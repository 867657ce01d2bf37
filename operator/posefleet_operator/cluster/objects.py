"""What all Kubernetes objects have in common: manifests, keys, resource versions, identities and timestamps."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from posefleet_api.constants import LABEL_ATTEMPT, LABEL_COMPONENT, LABEL_JOB, LABEL_JOB_UID

#: Years of valid timestamps. Arithmetic with others can overflow.
_YEARS = range(1970, 9000)


def to_timestamp(moment: datetime) -> str:
    """Return ``moment`` as an RFC 3339 timestamp in UTC, to the second, such as ``2026-01-31T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_timestamp(text: str | None) -> datetime | None:
    """Parse a timestamp. Return None if it is absent or not valid."""
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
    """Return the seconds from a timestamp to ``end``. They are 0 if the timestamp is later or absent."""
    begun = from_timestamp(start)
    return max(0.0, (end - begun).total_seconds()) if begun else 0.0


Manifest = dict[str, Any]
#: Namespace and name of a PoseTrainingJob.
Key = tuple[str, str]


@dataclass(frozen=True)
class Identity:
    """The metadata of a child object, with the job that it belongs to."""

    name: str
    uid: str
    #: The resource version. A larger one is newer.
    version: int
    owner: Key
    owner_uid: str
    component: str
    #: Number of the attempt, or of the try of the preparation.
    number: int
    deleted_at: datetime | None

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        """Read the metadata and labels of a manifest."""
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
    """Return the resource version as a number, or 0 if it is not a number."""
    text = str(manifest["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def conditions_by_type(status: Manifest, wanted: str = "True") -> dict[str, Manifest]:
    """Return the conditions of a status that are ``wanted`` (True, False or Unknown), by type."""
    return {c["type"]: c for c in status.get("conditions") or () if c.get("status") == wanted}


def parse_number(text: Any) -> int:
    """Parse a number of up to nine digits. Return 0 for anything else, because anybody may write annotations."""
    return int(text) if re.fullmatch("[0-9]{1,9}", str(text)) else 0


def key_of(manifest: Manifest) -> Key:
    """Return namespace and name."""
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
