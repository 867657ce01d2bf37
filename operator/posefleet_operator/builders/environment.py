"""The environment that every trainer process gets."""

from posefleet_api.constants import (
    CA_DIRECTORY,
    CACHE_DIRECTORY,
    ENV_ACCESS_KEY,
    ENV_CA_FILE,
    ENV_CACHE_BYTES,
    ENV_CACHE_DIRECTORY,
    ENV_POD_IP,
    ENV_SECRET_KEY,
    ENV_SESSION_TOKEN,
    ENV_TERMINATION_LOG,
    TERMINATION_LOG,
)
from posefleet_api.dataset import Storage
from posefleet_api.job import PoseTrainingJob
from posefleet_api.values import quantity_bytes
from posefleet_operator.children import Manifest


def environment(job: PoseTrainingJob) -> list[Manifest]:
    """Addresses, directories and, by reference to the job's Secret, credentials."""
    variables: list[Manifest] = [
        {"name": ENV_POD_IP, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": ENV_CACHE_DIRECTORY, "value": CACHE_DIRECTORY},
        {"name": ENV_CACHE_BYTES, "value": str(quantity_bytes(job.spec.resources.cache_per_node))},
        {"name": ENV_TERMINATION_LOG, "value": TERMINATION_LOG},
        # The root file system is read-only, and libraries write below the home directory.
        {"name": "HOME", "value": "/tmp"},  # noqa: S108  an emptyDir of the pod's own
    ]
    return variables + (_store_access(job.spec.storage) if job.spec.storage is not None else [])


def _store_access(storage: Storage) -> list[Manifest]:
    variables: list[Manifest] = []
    if storage.credentials_secret:
        variables.append(_from_secret(ENV_ACCESS_KEY, storage.credentials_secret))
        variables.append(_from_secret(ENV_SECRET_KEY, storage.credentials_secret))
        variables.append(_from_secret(ENV_SESSION_TOKEN, storage.credentials_secret, optional=True))
    if storage.ca_secret:
        variables.append({"name": ENV_CA_FILE, "value": f"{CA_DIRECTORY}/ca.crt"})
    return variables


def _from_secret(variable: str, secret: str, optional: bool = False) -> Manifest:
    reference: Manifest = {"name": secret, "key": variable}
    if optional:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}
