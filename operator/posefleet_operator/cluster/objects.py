"""What all Kubernetes objects have in common: manifests, keys, resource versions, identities, names and timestamps."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any, Self

from posefleet_api.constants import (
    COMPONENT_ATTEMPT,
    GROUP,
    KIND,
    LABEL_ATTEMPT,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_JOB_UID,
)

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


def attempt_name(job: str, number: int) -> str:
    """Return the name of an attempt's Job, Service and ConfigMap.

    Each attempt has its own, because DNS serves the addresses of a former one for some seconds.
    """
    return f"{job}-a{number}"


def prepare_name(job: str, number: int) -> str:
    """Return the name of the Job and the ConfigMap of a try of the preparation."""
    return f"{job}-prepare-{number}"


def child_name(job: str, component: str, number: int) -> str:
    """Return the name of the children of an attempt, or of a try of the preparation."""
    return attempt_name(job, number) if component == COMPONENT_ATTEMPT else prepare_name(job, number)


@dataclass(frozen=True)
class Owner:
    """The object that controls another one, of which there is at most one."""

    group: str
    kind: str
    name: str
    uid: str


def controller_of(manifest: Manifest) -> Owner | None:
    """Return the controller of an object, or None if it has none."""
    for reference in manifest["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            group = reference["apiVersion"].rpartition("/")[0]
            return Owner(group, reference["kind"], reference["name"], reference["uid"])
    return None


@dataclass(frozen=True, slots=True)
class Identity:
    """The metadata of a child object, with the job that it belongs to.

    Anybody may copy labels. The labels of an object therefore say which job it belongs to only if its controller
    agrees: a PoseTrainingJob for a Job, and for a pod a Job with the name of a child.
    """

    name: str
    uid: str
    #: The resource version. A larger one is newer.
    version: int
    owner: Key
    #: Uid of the PoseTrainingJob. Empty for an object that is not a child of any.
    owner_uid: str
    #: Uid of what controls the object: the PoseTrainingJob of a Job, the Job of a pod.
    controller_uid: str
    component: str
    #: Number of the attempt, or of the try of the preparation.
    number: int
    deleted_at: datetime | None

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        """Read the metadata and labels of a manifest."""
        metadata = manifest["metadata"]
        labels, controller = metadata.get("labels") or {}, controller_of(manifest)
        job, component = labels.get(LABEL_JOB, ""), labels.get(LABEL_COMPONENT, "")
        number = parse_number(labels.get(LABEL_ATTEMPT))
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            version=version_of(manifest),
            # Many objects have these texts in common.
            owner=(intern(metadata.get("namespace", "")), intern(job)),
            owner_uid=intern(_owner_uid(metadata["name"], labels, controller, child_name(job, component, number))),
            controller_uid=intern(controller.uid) if controller is not None else "",
            component=intern(component),
            number=number,
            deleted_at=from_timestamp(metadata.get("deletionTimestamp")),
        )


def _owner_uid(name: str, labels: dict[str, str], controller: Owner | None, expected: str) -> str:
    """Return the uid of the PoseTrainingJob of a Job or of a pod, or an empty text if it is not a child of any."""
    if controller is None:
        return ""
    if (controller.group, controller.kind) == (GROUP, KIND):
        return controller.uid if (name, controller.name) == (expected, labels.get(LABEL_JOB)) else ""
    is_pod = (controller.group, controller.kind, controller.name) == ("batch", "Job", expected)
    return labels.get(LABEL_JOB_UID, "") if is_pod else ""


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
