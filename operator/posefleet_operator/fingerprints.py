"""Hashes of the parts of a spec whose edits make a new preparation or new pods necessary."""

import hashlib

from posefleet_api.job import Spec


def data_fingerprint(spec: Spec) -> str:
    """Of the parts of a spec that preparation looks at; while it is the same, what is prepared stays good.

    Fields that a newer version adds, with their defaults, leave it as it was.
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
    """Of what the author says of resources, pods, queue and store.

    Neither the cluster's defaults nor another version of the operator change it: of ``resources``, which the API server
    leaves as they were written, it takes what is given, and of the rest what is other than the code's defaults.
    """
    parts = (
        spec.resources.model_dump_json(exclude_unset=True),
        spec.pod_template.choices(),
        spec.queue,
        spec.storage.choices() if spec.storage is not None else "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
