"""Hashes of the parts of a spec, which show whether an edit needs a new preparation, new pods or a new attempt."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from posefleet_api.job import Spec


def data_fingerprint(spec: Spec) -> str:
    """Return a hash of the parts of a spec that the preparation depends on.

    Prepared data stay valid while it is the same. Fields that a newer version adds do not change it as long as they
    have their defaults.
    """
    parts = (
        spec.dataset,
        spec.storage,
        spec.output,
        spec.model,
        spec.losses,
        spec.training,
        spec.checkpoint,
        spec.predict,
    )
    text = "\n".join(part.choices() if part is not None else "" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


#: Parts whose edit replaces pods that still wait.
POD_PARTS: Final = ("resources", "pod", "queue", "storage")
#: Parts that pods of the preparation follow besides the data that they prepare.
PREPARATION_PARTS: Final = ("resources", "pod")


def part_fingerprints(spec: Spec) -> dict[str, str]:
    """Return a hash of each part of a spec that an attempt takes over when it is created, by the part's name.

    Neither the cluster's defaults nor another version of the operator change them. The hash of ``resources``, which the
    API server stores as they were written, includes the fields that are given. The others include the fields that
    differ from their defaults.
    """
    parts = {
        "resources": spec.resources.model_dump_json(exclude_unset=True),
        "pod": spec.pod.choices(),
        "queue": spec.queue,
        "storage": spec.storage.choices() if spec.storage is not None else "",
        "predict": spec.predict.choices(),
        "checkpoint": spec.checkpoint.choices(),
    }
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in parts.items()}


def encode_parts(parts: Mapping[str, str]) -> str:
    """Return the hashes of parts as the value of an annotation."""
    return json.dumps(parts, separators=(",", ":"))


def decode_parts(text: str) -> dict[str, str]:
    """Return the hashes of parts in an annotation. Those of another version, or none at all, may be in it."""
    try:
        parts = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(parts, dict):
        return {}
    return {name: value for name, value in parts.items() if isinstance(value, str)}
