"""Hashes of the parts of a spec whose edits make a new preparation or new pods necessary."""

import hashlib

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


def pod_fingerprint(spec: Spec) -> str:
    """Return a hash of what the author says about resources, pods, queue and store. Waiting pods follow a change of it.

    Neither the cluster's defaults nor another version of the operator change it. Of ``resources``, which the API server
    stores as they were written, it includes the fields that are given. Of the rest it includes the fields that differ
    from their defaults.
    """
    parts = (
        spec.resources.model_dump_json(exclude_unset=True),
        spec.pod.choices(),
        spec.queue,
        spec.storage.choices() if spec.storage is not None else "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
