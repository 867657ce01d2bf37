"""The trainer defaults of a cluster: how they are read from a file, and how they fill in a manifest."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from posefleet_api.base import ApiModel, validation_messages
from posefleet_api.dataset import Storage
from posefleet_api.job import InvalidManifest, PoseTrainingJob, Spec
from posefleet_api.pod import PodOptions
from posefleet_api.resources import Resources
from posefleet_api.values import LabelKey


class InvalidDefaults(ValueError):
    """A file of trainer defaults cannot be used. The message names the file and the key."""


class TrainerDefaults(ApiModel):
    """Defaults for trainer pods. Fields that the file leaves out have the defaults of the API's models."""

    storage: Storage | None = None
    """The object store of jobs that do not name one."""
    resources: Resources = Resources()
    """Default for each field of spec.resources that a job leaves out."""
    pod: PodOptions = PodOptions()
    """What is added to every trainer pod, together with its job's own spec.pod."""
    gpu_model_label: LabelKey = "nvidia.com/gpu.product"
    """Node label whose value spec.resources.gpuModel is."""
    allow_host_path: bool = False
    """Whether spec.pod.volumes of a job may mount folders of the nodes."""


def read_defaults(path: Path) -> TrainerDefaults:
    """Read trainer defaults from a YAML file.

    Raises:
        InvalidDefaults: if the file cannot be used. The message has a line for every mistake.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidDefaults(f"cannot read the trainer defaults {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidDefaults(f"the trainer defaults {path} are not valid YAML: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise InvalidDefaults(f"the trainer defaults {path} must be a mapping, not {type(content).__name__}")
    try:
        defaults = TrainerDefaults.model_validate(content or {})
    except ValidationError as error:
        lines = validation_messages(error, "no such key").splitlines()
        raise InvalidDefaults("\n".join(f"trainer defaults {path}: {line}" for line in lines)) from None
    if unknown := _unknown_mount(defaults.pod):
        raise InvalidDefaults(f"trainer defaults {path}: {unknown}")
    return defaults


_NO_STORAGE = (
    "spec.storage: needed for s3:// URIs, since posefleet has no default store on this cluster: "
    "add storage.endpoint and storage.credentialsSecretRef, or ask your cluster administrator to set trainer.storage"
)
_NO_HOST_PATH = (
    "folders of nodes may not be mounted on this cluster: use a persistentVolumeClaim or nfs, or ask your cluster "
    "administrator to set trainer.allowHostPath"
)
_MAPS = ("labels", "annotations", "node_selector")
_SINGLE = ("service_account_name", "priority_class_name", "runtime_class_name")
#: The key of an entry of each list. The job's entry replaces the default with the same key.
_LISTS: dict[str, Callable[[Any], str]] = {
    "node_affinity": lambda requirement: str(requirement.to_json()),
    "tolerations": lambda toleration: str(toleration.to_json()),
    "volumes": lambda volume: str(volume.name),
    "volume_mounts": lambda mount: str(mount.mount_path),
    "env": lambda variable: str(variable.name),
    "image_pull_secrets": lambda secret: str(secret.name),
}


def resolved(job: PoseTrainingJob, defaults: TrainerDefaults) -> PoseTrainingJob:
    """Return ``job`` with everything filled in that it leaves out.

    Raises:
        InvalidManifest: if job and defaults together do not describe a job that can run.
    """
    spec = job.spec
    _check_host_paths(spec.pod, defaults)
    changes = {
        "storage": spec.storage or (defaults.storage if spec.needs_store else None),
        "resources": _resources(spec.resources, defaults.resources),
        "pod": _pod(spec.pod, defaults.pod),
    }
    return job.model_copy(update={"spec": _with_store(spec.model_copy(update=changes))})


def _check_host_paths(own: PodOptions, defaults: TrainerDefaults) -> None:
    for number, volume in enumerate(own.volumes):
        if volume.host_path is not None and not defaults.allow_host_path:
            raise InvalidManifest(f"spec.pod.volumes.{number}.hostPath: {_NO_HOST_PATH}")


def _unknown_mount(pod: PodOptions) -> str:
    """Return what is wrong with the first mount that names no volume, or an empty text."""
    names = {volume.name for volume in pod.volumes}
    unknown = (n for n, mount in enumerate(pod.volume_mounts) if mount.name not in names)
    place = next(unknown, None)
    if place is None:
        return ""
    return f"pod.volumeMounts.{place}.name: there is no volume {pod.volume_mounts[place].name}; add it to pod.volumes"


def _with_store(spec: Spec) -> Spec:
    if spec.needs_store and spec.storage is None:
        raise InvalidManifest(_NO_STORAGE)
    return spec


def _resources(own: Resources, defaults: Resources) -> Resources:
    fields = {**_given(defaults), **_given(own)}
    if fields.get("gpus_per_node") == 0 and "gpu_model" not in own.model_fields_set:
        fields.pop("gpu_model", None)
    try:
        return Resources.model_validate(fields)
    except ValidationError as error:
        raise InvalidManifest(validation_messages(error, "no such field", "spec.resources")) from None


def _pod(own: PodOptions, defaults: PodOptions) -> PodOptions:
    fields: dict[str, Any] = {name: {**getattr(defaults, name), **getattr(own, name)} for name in _MAPS}
    for name, key in _LISTS.items():
        fields[name] = _joined(getattr(defaults, name), getattr(own, name), key)
    for name in _SINGLE:
        fields[name] = getattr(own if name in own.model_fields_set else defaults, name)
    try:
        pod = PodOptions.model_validate(fields)
    except ValidationError as error:
        raise InvalidManifest(validation_messages(error, "no such field", "spec.pod")) from None
    if unknown := _unknown_mount(pod):
        raise InvalidManifest(f"spec.{unknown}")
    return pod


def _joined(defaults: Sequence[Any], own: Sequence[Any], key: Callable[[Any], str]) -> list[Any]:
    mine = {key(item) for item in own}
    return [*(item for item in defaults if key(item) not in mine), *own]


def _given(resources: Resources) -> dict[str, Any]:
    return {name: getattr(resources, name) for name in resources.model_fields_set}
