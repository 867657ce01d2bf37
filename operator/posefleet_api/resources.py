"""What a job takes from the cluster, and what follows a failure: ``spec.resources`` and ``spec.failurePolicy``."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from posefleet_api.base import DEFAULT_OF_CLUSTER, ApiModel, Matches, rules
from posefleet_api.values import ExtendedResources, LabelValue, Quantity, ResourceName

_FILLED_IN = Field(json_schema_extra=DEFAULT_OF_CLUSTER)

_GPU_RESOURCE = "nvidia.com/gpu"
_MODEL_WITHOUT_GPUS = "to ask for a gpuModel set gpusPerNode to 1 or more, or leave gpuModel out"
_GPUS_ASKED_FOR_TWICE = "leave gpuResource out of extendedResources: gpusPerNode says how many GPUs each pod gets"


class Resources(ApiModel):
    """Size of the gang of pods that train together. It may be changed between attempts."""

    model_config = {
        "json_schema_extra": rules(
            (
                "has(self.gpusPerNode) && self.gpusPerNode == 0 ? !has(self.gpuModel) || self.gpuModel == '' : true",
                _MODEL_WITHOUT_GPUS,
            ),
            (
                "!has(self.extendedResources) || "
                f"!((has(self.gpuResource) ? self.gpuResource : '{_GPU_RESOURCE}') in self.extendedResources)",
                _GPUS_ASKED_FOR_TWICE,
            ),
        )
    }
    computed_with = frozenset({"gpus_per_node"})

    nodes: Annotated[int, Field(ge=1, le=256), _FILLED_IN] = 1
    """Number of pods that train together, one per node where there is room."""
    gpus_per_node: Annotated[int, Field(ge=0, le=64), _FILLED_IN] = 1
    """Number of GPUs, and thus of training processes, of each pod. 0 runs one process per pod on its CPUs."""
    gpu_resource: Annotated[ResourceName, _FILLED_IN] = _GPU_RESOURCE
    """Name of the resource by which GPUs are requested, such as amd.com/gpu, or nvidia.com/mig-1g.10gb for a slice of
    a GPU."""
    gpu_model: Annotated[LabelValue, _FILLED_IN] = ""
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


_NEEDS_A_CONDITION = "a rule needs exitCodes or reasons"


class FailureRule(ApiModel):
    """What follows an attempt that ended in a certain way."""

    model_config = {
        "json_schema_extra": rules(
            (
                "(has(self.exitCodes) && size(self.exitCodes) > 0) || (has(self.reasons) && size(self.reasons) > 0)",
                _NEEDS_A_CONDITION,
            )
        )
    }

    action: Literal["Retry", "Ignore", "Fail"]
    """What follows: Retry starts another attempt and counts the failure, Ignore starts another attempt without counting
    it, and Fail ends the job."""
    exit_codes: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(max_length=32)] = []
    """Exit codes of a trainer's container to which the rule applies."""
    reasons: Annotated[
        list[
            Annotated[
                str,
                StringConstraints(max_length=128),
                Matches(
                    r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", "must be the reason of an attempt, such as OOMKilled"
                ),
            ]
        ],
        Field(max_length=32),
    ] = []
    """Reasons of attempts to which the rule applies. docs/troubleshooting.md lists them."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> "FailureRule":
        if not self.exit_codes and not self.reasons:
            raise ValueError(_NEEDS_A_CONDITION)
        return self


class FailurePolicy(ApiModel):
    """How often and how soon a failed attempt is followed by another one. Preempted attempts do not count."""

    max_failures: Annotated[int, Field(ge=1, le=100)] = 3
    """The job fails when this many attempts have failed."""
    backoff_seconds: Annotated[int, Field(ge=1, le=86_400)] = 10
    """Number of seconds before the next attempt, doubled for each failure in a row."""
    stall_seconds: Annotated[int, Field(ge=10, le=604_800)] = 900
    """Number of seconds after which an attempt is ended as Stalled if it has finished neither a step nor a part of a
    download."""
    rules: Annotated[list[FailureRule], Field(max_length=16)] = []
    """What follows certain failures. The first rule that applies decides, and without one the defaults do, which
    docs/troubleshooting.md lists."""
