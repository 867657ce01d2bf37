"""What a job takes from the cluster, and how long it may try: resources, failurePolicy, podTemplate."""

from typing import Annotated, Any

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.values import Fragment, LabelText, ObjectName, Quantity, RequiredObjectName

Texts = Annotated[dict[str, LabelText], Field(max_length=64)]


class Resources(ApiModel):
    """The gang: ``nodes`` pods with ``gpusPerNode`` training processes each. May change between attempts."""

    nodes: Annotated[int, Field(ge=1, le=256)] = 1
    """Pods that train together, one a node."""
    gpus_per_node: Annotated[int, Field(ge=0, le=64)] = 1
    """GPUs, and so training processes, of each pod. 0 trains one process a pod on its CPUs."""
    gpu_model: LabelText = ""
    """The value of the node label nvidia.com/gpu.product to ask for, such as NVIDIA-A100-SXM4-80GB."""
    cpus_per_node: Annotated[int, Field(ge=1, le=1024)] = 4
    """CPUs of each pod."""
    memory_per_node: Quantity = "16Gi"
    """Memory of each pod."""
    cache_per_node: Quantity = "20Gi"
    """Local disk of each pod for videos and proxies."""


class FailurePolicy(ApiModel):
    """When an attempt that failed is followed by another. Preempted attempts are free."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Attempts that may fail before the job has failed."""
    backoff_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    """Wait before the next attempt, doubled for each failure in a row."""
    stall_seconds: Annotated[int, Field(ge=10, le=604_800)] = 900
    """An attempt without a finished step for so long is ended as Stalled."""


class EnvVar(ApiModel):
    """One environment variable of the trainer's containers."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The variable's name."""
    value: Annotated[str, Field(max_length=32_768)] = ""
    """Its value."""
    value_from: Fragment | None = None
    """Where its value comes from, as in a pod."""


class LocalReference(ApiModel):
    """A named object of the job's namespace."""

    name: RequiredObjectName
    """The object's name."""


class PodTemplate(ApiModel):
    """What the job adds to its pods, with the fields of a Kubernetes pod."""

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
    service_account_name: ObjectName = ""
    """The pods' service account; its token is not mounted."""
    priority_class_name: ObjectName = ""
    """The pods' priority class."""

    def fragment(self, name: str) -> Any:
        """A field as the pod spec wants it: a plain value, empty ones as None."""
        return self.to_dict().get(name) or None
