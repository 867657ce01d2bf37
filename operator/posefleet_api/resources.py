"""What a job takes from the cluster, and how long it may try: resources, failurePolicy, podTemplate."""

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
    """The gang: ``nodes`` pods with ``gpusPerNode`` training processes each. May change between attempts."""

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
    """Pods that train together, one per node."""
    gpus_per_node: Annotated[int, Field(ge=0, le=64), _FILLED_IN] = 1
    """GPUs, and so training processes, of each pod. 0 trains one process per pod on its CPUs."""
    gpu_resource: Annotated[ResourceName, _FILLED_IN] = _GPU_RESOURCE
    """The resource that a GPU is asked for by, such as nvidia.com/mig-1g.10gb for a slice of one, or amd.com/gpu."""
    gpu_model: Annotated[LabelText, _FILLED_IN] = ""
    """The value of the node label nvidia.com/gpu.product (or of another that your cluster's posefleet was installed
    with) to ask for, such as NVIDIA-A100-SXM4-80GB. Empty: any."""
    cpus_per_node: Annotated[int, Field(ge=1, le=1024), _FILLED_IN] = 4
    """CPUs of each pod."""
    memory_per_node: Annotated[Quantity, _FILLED_IN] = "16Gi"
    """Memory of each pod. Up to half of it may be shared memory (/dev/shm)."""
    cache_per_node: Annotated[Quantity, _FILLED_IN] = "20Gi"
    """Local disk of each pod for videos and proxies. Files on their way to the store may take up to 8Gi more."""
    extended_resources: Annotated[ExtendedResources, _FILLED_IN] = {}
    """What else each pod of an attempt asks for by name, such as {rdma/hca: "1"} for a network card."""

    @property
    def gpus(self) -> int:
        """Of the whole gang."""
        return self.nodes * self.gpus_per_node

    @model_validator(mode="after")
    def _can_be_had(self) -> "Resources":
        if self.gpu_model and not self.gpus_per_node:
            raise ValueError(_MODEL_WITHOUT_GPUS)
        if self.gpu_resource in self.extended_resources:
            raise ValueError(_GPUS_ASKED_FOR_TWICE)
        return self


class FailurePolicy(ApiModel):
    """When an attempt that failed is followed by another. Preempted attempts are free."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Attempts that may fail before the job has failed."""
    backoff_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    """Wait before the next attempt, doubled for each failure in a row."""
    stall_seconds: Annotated[int, Field(ge=10, le=604_800)] = 900
    """An attempt without a finished step, or a part of a download, for so long is ended as Stalled."""


_KEYS_IN_THE_OPEN = (
    "a job's text is no place for a store's keys: put them into a Secret and name it in storage.credentialsSecret"
)


class EnvVar(ApiModel):
    """One environment variable of the trainer's containers. Everybody who may read the job sees its value."""

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
    """The variable's name."""
    value: Annotated[str, Field(max_length=32_768)] = ""
    """Its value."""
    value_from: Fragment | None = None
    """Where its value comes from, as in a pod."""

    @model_validator(mode="after")
    def _keeps_keys_out(self) -> "EnvVar":
        if self.value and self.name in {ENV_ACCESS_KEY, ENV_SECRET_KEY, ENV_SESSION_TOKEN}:
            raise ValueError(_KEYS_IN_THE_OPEN)
        return self


class LocalReference(ApiModel):
    """A named object of the job's namespace."""

    name: RequiredObjectName
    """The object's name."""


class PodTemplate(ApiModel):
    """What the job adds to its pods, with the fields of a Kubernetes pod. What your cluster's posefleet was installed
    with is there beside it: maps and lists are joined, and of two entries of a name the job's is taken."""

    labels: Texts = {}
    """Labels of the pods."""
    annotations: Texts = {}
    """Annotations of the pods."""
    node_selector: Texts = {}
    """Labels that a node must have."""
    tolerations: Annotated[list[Fragment], Field(max_length=32)] = []
    """Taints that the pods tolerate."""
    affinity: Fragment | None = None
    """Scheduling affinity."""
    volumes: Annotated[list[Fragment], Field(max_length=32)] = []
    """Volumes of the pods."""
    volume_mounts: Annotated[list[Fragment], Field(max_length=32)] = []
    """Where the trainer's containers mount them."""
    env: Annotated[list[EnvVar], Field(max_length=64)] = []
    """Environment variables of the trainer's containers."""
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=8)] = []
    """Secrets with registry credentials."""
    service_account_name: Annotated[ObjectName, _FILLED_IN] = ""
    """The pods' service account; its token is not mounted."""
    priority_class_name: Annotated[ObjectName, _FILLED_IN] = ""
    """The pods' priority class."""
    runtime_class_name: Annotated[ObjectName, _FILLED_IN] = ""
    """The pods' runtime class: nvidia where NVIDIA's container runtime is not the nodes' default."""

    def fragment(self, name: str) -> Any:
        """A field as the pod spec wants it: a plain value, empty ones as None."""
        return self.to_dict().get(name) or None
