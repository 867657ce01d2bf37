"""What a job takes from the cluster: ``spec.resources``, ``spec.failurePolicy`` and ``spec.podTemplate``."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from posefleet_api.base import DEFAULT_OF_CLUSTER, ApiModel, rules
from posefleet_api.constants import ENV_ACCESS_KEY, ENV_SECRET_KEY, ENV_SESSION_TOKEN
from posefleet_api.values import (
    ExtendedResources,
    Fragment,
    LabelText,
    ObjectName,
    Quantity,
    RequiredObjectName,
    ResourceName,
)

_FILLED_IN = Field(json_schema_extra=DEFAULT_OF_CLUSTER)
Texts = Annotated[dict[str, LabelText], Field(max_length=64)]


_GPU_RESOURCE = "nvidia.com/gpu"
_MODEL_WITHOUT_GPUS = "to ask for a gpuModel set gpusPerNode to 1 or more, or leave gpuModel out"
_GPUS_ASKED_FOR_TWICE = "leave gpuResource out of extendedResources: gpusPerNode says how many GPUs each pod gets"


class Resources(ApiModel):
    """Size of the gang of pods that train together. It may be changed between attempts."""

    model_config = {
        "json_schema_extra": rules(
            (
                "!has(self.gpuModel) || self.gpuModel == '' || !has(self.gpusPerNode) || self.gpusPerNode > 0",
                _MODEL_WITHOUT_GPUS,
            ),
            (
                "!has(self.extendedResources) || "
                f"!((has(self.gpuResource) ? self.gpuResource : '{_GPU_RESOURCE}') in self.extendedResources)",
                _GPUS_ASKED_FOR_TWICE,
            ),
        )
    }

    nodes: Annotated[int, Field(ge=1, le=256), _FILLED_IN] = 1
    """Number of pods that train together, one per node where there is room."""
    gpus_per_node: Annotated[int, Field(ge=0, le=64), _FILLED_IN] = 1
    """Number of GPUs, and thus of training processes, of each pod. 0 runs one process per pod on its CPUs."""
    gpu_resource: Annotated[ResourceName, _FILLED_IN] = _GPU_RESOURCE
    """Name of the resource by which GPUs are requested, such as amd.com/gpu, or nvidia.com/mig-1g.10gb for a slice of
    a GPU."""
    gpu_model: Annotated[LabelText, _FILLED_IN] = ""
    """GPU model to request, such as NVIDIA-A100-SXM4-80GB. It is the value of the node label nvidia.com/gpu.product, or
    of another label that the administrator of your cluster has chosen. If it is empty, any model will do."""
    cpus_per_node: Annotated[int, Field(ge=1, le=1024), _FILLED_IN] = 4
    """Number of CPUs of each pod."""
    memory_per_node: Annotated[Quantity, _FILLED_IN] = "16Gi"
    """Memory of each pod, of which up to half may be used as shared memory (/dev/shm)."""
    cache_per_node: Annotated[Quantity, _FILLED_IN] = "20Gi"
    """Local disk of each pod for videos and their copies at training size. Files that are waiting to be uploaded may
    take up to 8Gi more."""
    extended_resources: Annotated[ExtendedResources, _FILLED_IN] = {}
    """Other resources that each pod of an attempt requests, such as {rdma/hca: "1"} for a network card."""

    @property
    def gpus(self) -> int:
        """The number of GPUs of the whole gang."""
        return self.nodes * self.gpus_per_node

    @model_validator(mode="after")
    def _is_consistent(self) -> "Resources":
        if self.gpu_model and not self.gpus_per_node:
            raise ValueError(_MODEL_WITHOUT_GPUS)
        if self.gpu_resource in self.extended_resources:
            raise ValueError(_GPUS_ASKED_FOR_TWICE)
        return self


class FailurePolicy(ApiModel):
    """How often and how soon a failed attempt is followed by another one. Preempted attempts do not count."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Number of failed attempts after which the job fails."""
    backoff_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    """Number of seconds before the next attempt, doubled for each failure in a row."""
    stall_seconds: Annotated[int, Field(ge=10, le=604_800)] = 900
    """Number of seconds after which an attempt is ended as Stalled if it has finished neither a step nor a part of a
    download."""


_KEYS_IN_THE_OPEN = (
    "do not write a store's keys into a manifest: put them into a Secret and name it in storage.credentialsSecret"
)


class EnvVar(ApiModel):
    """An environment variable of the trainer's containers. Everybody who may read the job can read its value."""

    model_config = {
        "json_schema_extra": rules(
            (
                "!has(self.value) || self.value == '' || "
                "!(self.name in ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])",
                _KEYS_IN_THE_OPEN,
            )
        )
    }

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=32_768)] = ""
    """Value of the variable."""
    value_from: Fragment | None = None
    """Source of the variable's value, in the form that a pod uses."""

    @model_validator(mode="after")
    def _keeps_keys_out(self) -> "EnvVar":
        if self.value and self.name in {ENV_ACCESS_KEY, ENV_SECRET_KEY, ENV_SESSION_TOKEN}:
            raise ValueError(_KEYS_IN_THE_OPEN)
        return self


class LocalReference(ApiModel):
    """A reference to an object in the job's namespace."""

    name: RequiredObjectName
    """Name of the object."""


class PodTemplate(ApiModel):
    """What the job adds to its pods, in the form that a Kubernetes pod uses. It is merged with the defaults that the
    administrator of your cluster has set: maps and lists are joined, and of two entries with the same name the job's
    is used."""

    labels: Texts = {}
    """Labels that are added to the pods."""
    annotations: Texts = {}
    """Annotations that are added to the pods."""
    node_selector: Texts = {}
    """Labels that a node must have to run the pods."""
    tolerations: Annotated[list[Fragment], Field(max_length=32)] = []
    """Tolerations of the pods for the taints of nodes."""
    affinity: Fragment | None = None
    """Scheduling affinity of the pods."""
    volumes: Annotated[list[Fragment], Field(max_length=32)] = []
    """Volumes that are added to the pods."""
    volume_mounts: Annotated[list[Fragment], Field(max_length=32)] = []
    """Mounts of these volumes in the trainer's containers."""
    env: Annotated[list[EnvVar], Field(max_length=64)] = []
    """Environment variables of the trainer's containers."""
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=8)] = []
    """Secrets with credentials for the image registry."""
    service_account_name: Annotated[ObjectName, _FILLED_IN] = ""
    """Name of the pods' service account, whose token is not mounted."""
    priority_class_name: Annotated[ObjectName, _FILLED_IN] = ""
    """Name of the pods' priority class."""
    runtime_class_name: Annotated[ObjectName, _FILLED_IN] = ""
    """Name of the pods' runtime class. It is often nvidia where NVIDIA's container runtime is not the default."""

    def fragment(self, name: str) -> Any:
        """Return a field as a plain value for a pod spec, or None if it is empty."""
        return self.to_dict().get(name) or None
