"""What of a spec shapes pods. Pods that still wait follow an edit of it."""

import hashlib

from posefleet_api.job import Spec


def shape(spec: Spec) -> str:
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
