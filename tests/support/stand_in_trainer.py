"""A trainer image of a few kilobytes: its code and its 5 GB of libraries lie in a read-only volume.

The volume is this repository with its virtual environment. ``make e2e-image`` tries the Dockerfile's own image.
"""

from pathlib import Path
from typing import Any

from posefleet_lab.cluster import Cluster
from posefleet_lab.images import base_image, image_id, run_buildah

REPOSITORY = Path(__file__).parents[2]
TAG = "stand-in"
IMAGE = f"localhost/posefleet-trainer:{TAG}"
CLAIM = "repository"
_MOUNT = "/opt/repository"
#: Python of the base image. The virtual environment, which the image runs, must be of the same one.
BASE_PYTHON = (3, 11)
#: Processes that it spawns import the script, and must not run it.
_SCRIPT = """#!/usr/bin/python3
import sys
from {module} import main
if __name__ == "__main__":
    sys.exit(main())
"""
_COMMANDS = {
    "posefleet-trainer": "posefleet_trainer.main",
    "posefleet-synthesize": "posefleet_synthesis.main",
}


def load(cluster: Cluster, work: Path) -> None:
    """Build the image and import it into the node."""
    replaced = image_id(IMAGE)
    container = run_buildah("from", "--pull-never", base_image(print).into_buildah())
    try:
        for command, module in _COMMANDS.items():
            script = work / command
            script.write_text(_SCRIPT.format(module=module))
            run_buildah("copy", "--quiet", "--chmod", "0755", container, script, f"/usr/local/bin/{command}")
        for variable in ("PYTHONPATH=" + _python_path(), "PYTHONDONTWRITEBYTECODE=1", "HOME=/tmp"):
            run_buildah("config", "--env", variable, container)
        run_buildah("commit", "--quiet", container, IMAGE)
    finally:
        run_buildah("rm", container)
    if replaced is not None:
        run_buildah("rmi", replaced)
    cluster.container_node.load_image(IMAGE)


def _python_path() -> str:
    places = (".venv/lib/python3.11/site-packages", "operator", "trainer_image")
    return ":".join(f"{_MOUNT}/{place}" for place in places)


def volume(namespace: str) -> list[dict[str, Any]]:
    """The repository as a volume, and the claim on it in ``namespace``: hostPath in a pod would not be restricted."""
    name = f"{CLAIM}-{namespace}"
    size = {"storage": "1Gi"}
    shared = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                **shared,
                "capacity": size,
                "hostPath": {"path": str(REPOSITORY), "type": "Directory"},
                "claimRef": {"namespace": namespace, "name": CLAIM},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": namespace},
            "spec": {**shared, "resources": {"requests": size}, "volumeName": name},
        },
    ]


def pod_template() -> dict[str, Any]:
    """What trainer pods need beside the image."""
    return {
        "volumes": [{"name": "repository", "persistentVolumeClaim": {"claimName": CLAIM, "readOnly": True}}],
        "volumeMounts": [{"name": "repository", "mountPath": _MOUNT, "readOnly": True}],
    }
