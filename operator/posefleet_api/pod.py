"""What a job adds to its pods: ``spec.pod``.

The models have the names and the shape of the Kubernetes types, of which they are a part. A field that is missing here
cannot be set, so that nobody gives a pod more rights than the operator means it to have.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from posefleet_api.base import DEFAULT_OF_CLUSTER, ApiModel, Matches, UniqueBy, rules
from posefleet_api.constants import CACHE_DIRECTORY, CONFIG_DIRECTORY, ENV_ACCESS_KEY, ENV_SECRET_KEY, ENV_SESSION_TOKEN
from posefleet_api.values import (
    LabelKey,
    LabelValue,
    NodeLabels,
    ObjectName,
    PodAnnotations,
    PodLabels,
    Quantity,
    RequiredObjectName,
)

_FILLED_IN = Field(json_schema_extra=DEFAULT_OF_CLUSTER)
Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class LocalReference(ApiModel):
    """A reference to an object in the job's namespace."""

    name: RequiredObjectName
    """Name of the object."""


class KeyReference(ApiModel):
    """A reference to a key of a Secret or ConfigMap in the job's namespace."""

    name: RequiredObjectName
    """Name of the object."""
    key: Annotated[
        str,
        StringConstraints(min_length=1, max_length=253),
        Matches(r"[A-Za-z0-9_-][-._A-Za-z0-9]*", "must be a key of letters, digits, '-', '_' and '.'"),
    ]
    """Key whose value is used."""
    optional: bool = False
    """Whether the pod starts without the variable if the object or the key does not exist."""


class FieldReference(ApiModel):
    """A reference to a field of the pod."""

    field_path: Literal[
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "status.hostIP", "status.podIP"
    ]
    """Path of the field."""


_ONE_SOURCE = "name exactly one source"


def _one_of(*fields: str) -> tuple[str, str]:
    return f"[{', '.join(f'has(self.{field})' for field in fields)}].filter(given, given).size() == 1", _ONE_SOURCE


class EnvVarSource(ApiModel):
    """The source of an environment variable's value."""

    model_config = {"json_schema_extra": rules(_one_of("secretKeyRef", "configMapKeyRef", "fieldRef"))}

    secret_key_ref: KeyReference | None = None
    """A key of a Secret."""
    config_map_key_ref: KeyReference | None = None
    """A key of a ConfigMap."""
    field_ref: FieldReference | None = None
    """A field of the pod."""

    @model_validator(mode="after")
    def _has_one(self) -> "EnvVarSource":
        if sum(source is not None for source in (self.secret_key_ref, self.config_map_key_ref, self.field_ref)) != 1:
            raise ValueError(_ONE_SOURCE)
        return self


_KEYS_IN_THE_OPEN = (
    "do not write a store's keys into a manifest: put them into a Secret and name it in storage.credentialsSecretRef"
)
#: The variables that decide what a trainer process is, and those that would give it GPUs that it has not requested.
_RESERVED_VARIABLE = (
    r"POSEFLEET_.*|POD_IP|HOME|JOB_COMPLETION_INDEX|MASTER_(ADDR|PORT)|(LOCAL_|GROUP_)?(RANK|WORLD_SIZE)|"
    r"(NVIDIA|CUDA)_VISIBLE_DEVICES"
)
_RESERVED_MESSAGE = "posefleet sets this variable itself"
_ONE_VALUE = "set value or valueFrom, not both"


class EnvVar(ApiModel):
    """An environment variable of the trainer's containers. Everybody who may read the job can read its value."""

    model_config = {
        "json_schema_extra": rules(
            (
                "!has(self.value) || self.value == '' || "
                "!(self.name in ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])",
                _KEYS_IN_THE_OPEN,
            ),
            (f"!self.name.matches('^({_RESERVED_VARIABLE})$')", _RESERVED_MESSAGE),
            ("!has(self.valueFrom) || !has(self.value) || self.value == ''", _ONE_VALUE),
        )
    }

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256),
        Matches(r"[A-Za-z_][A-Za-z0-9_]*", "must be letters, digits and '_', and not begin with a digit"),
    ]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] = ""
    """Value of the variable."""
    value_from: EnvVarSource | None = None
    """Source of the variable's value, if it is not written here."""

    @model_validator(mode="after")
    def _is_allowed(self) -> "EnvVar":
        if self.value and self.name in {ENV_ACCESS_KEY, ENV_SECRET_KEY, ENV_SESSION_TOKEN}:
            raise ValueError(_KEYS_IN_THE_OPEN)
        if re.fullmatch(_RESERVED_VARIABLE, self.name):
            raise ValueError(_RESERVED_MESSAGE)
        if self.value and self.value_from is not None:
            raise ValueError(_ONE_VALUE)
        return self


_EXISTS_HAS_NO_VALUE = "the operator Exists has no value"
_NO_KEY_NEEDS_EXISTS = "without a key the operator must be Exists"
_SECONDS_NEED_NO_EXECUTE = "tolerationSeconds needs the effect NoExecute"


class Toleration(ApiModel):
    """A toleration of the pods for the taints of nodes."""

    model_config = {
        "json_schema_extra": rules(
            ("self.operator != 'Exists' || !has(self.value) || self.value == ''", _EXISTS_HAS_NO_VALUE),
            ("self.operator == 'Exists' || has(self.key)", _NO_KEY_NEEDS_EXISTS),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                _SECONDS_NEED_NO_EXECUTE,
            ),
        )
    }

    key: LabelKey | None = None
    """Key of the taint. If it is left out, the toleration matches every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether the value of the taint must be equal, or any value will do."""
    value: LabelValue | None = None
    """Value of the taint."""
    effect: Effect | None = None
    """Effect of the taint. If it is left out, the toleration matches every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Number of seconds that the pods stay on a node with a taint of the effect NoExecute."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "Toleration":
        if self.operator == "Exists" and self.value:
            raise ValueError(_EXISTS_HAS_NO_VALUE)
        if self.operator == "Equal" and self.key is None:
            raise ValueError(_NO_KEY_NEEDS_EXISTS)
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError(_SECONDS_NEED_NO_EXECUTE)
        return self


_LISTS_NEED_VALUES = "In and NotIn need values, and Exists and DoesNotExist have none"


class NodeRequirement(ApiModel):
    """A condition on a label of a node."""

    model_config = {
        "json_schema_extra": rules(
            ("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)", _LISTS_NEED_VALUES)
        )
    }

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared with the values."""
    values: Annotated[list[LabelValue], Field(max_length=32)] = []
    """Values for the operators In and NotIn."""

    @model_validator(mode="after")
    def _has_values(self) -> "NodeRequirement":
        if (self.operator in {"In", "NotIn"}) != bool(self.values):
            raise ValueError(_LISTS_NEED_VALUES)
        return self


_ABSOLUTE = r"/[^:\s\x00-\x1f]*"
_MOUNT_PATH_MESSAGE = (
    f"must be an absolute path without ':' that is not one of posefleet's own, which are {CACHE_DIRECTORY}, "
    f"{CONFIG_DIRECTORY}, /tmp and /dev"
)
_OWN_MOUNTS = rf"({CACHE_DIRECTORY}|{CONFIG_DIRECTORY}|/tmp|/dev|/proc|/sys)(/.*)?|/+"
VolumeName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63),
    Matches(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", "must have only a-z, 0-9 and '-'"),
]
HostPathText = Annotated[
    str,
    StringConstraints(max_length=1024),
    Matches(r"/([^/.\s][^/\s]*/?|\.[^/.\s][^/\s]*/?)*", "must be an absolute path without '..'"),
]


class ClaimVolume(ApiModel):
    """A PersistentVolumeClaim in the job's namespace."""

    claim_name: RequiredObjectName
    """Name of the claim."""
    read_only: bool = False
    """Whether it is mounted read-only."""


class SecretVolume(ApiModel):
    """A Secret in the job's namespace, with one file for each key."""

    secret_name: RequiredObjectName
    """Name of the Secret."""


class ConfigMapVolume(ApiModel):
    """A ConfigMap in the job's namespace, with one file for each key."""

    name: RequiredObjectName
    """Name of the ConfigMap."""


class EmptyDirVolume(ApiModel):
    """A folder that is empty when the pod starts and is deleted with the pod."""

    size_limit: Quantity | None = None
    """Size at which the pod is evicted."""


class NfsVolume(ApiModel):
    """A folder of an NFS server."""

    server: Annotated[
        str, StringConstraints(min_length=1, max_length=253), Matches(r"[A-Za-z0-9.:-]+", "must be a host")
    ]
    """Name or address of the server."""
    path: HostPathText
    """Path of the folder on the server."""
    read_only: bool = False
    """Whether it is mounted read-only."""


class HostPathVolume(ApiModel):
    """A folder of the node, which the administrator of your cluster must have allowed."""

    path: HostPathText
    """Path of the folder on the node."""


_OWN_VOLUME = "names that begin with posefleet- are reserved"


class Volume(ApiModel):
    """A volume that is added to the pods."""

    model_config = {
        "json_schema_extra": rules(
            _one_of("persistentVolumeClaim", "secret", "configMap", "emptyDir", "nfs", "hostPath"),
            ("!self.name.startsWith('posefleet-')", _OWN_VOLUME),
        )
    }

    name: VolumeName
    """Name of the volume."""
    persistent_volume_claim: ClaimVolume | None = None
    """A PersistentVolumeClaim."""
    secret: SecretVolume | None = None
    """A Secret."""
    config_map: ConfigMapVolume | None = None
    """A ConfigMap."""
    empty_dir: EmptyDirVolume | None = None
    """An empty folder."""
    nfs: NfsVolume | None = None
    """A folder of an NFS server."""
    host_path: HostPathVolume | None = None
    """A folder of the node."""

    @model_validator(mode="after")
    def _has_one_source(self) -> "Volume":
        sources = (self.persistent_volume_claim, self.secret, self.config_map, self.empty_dir, self.nfs, self.host_path)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(_ONE_SOURCE)
        if self.name.startswith("posefleet-"):
            raise ValueError(_OWN_VOLUME)
        return self


class VolumeMount(ApiModel):
    """A mount of a volume in the trainer's containers."""

    model_config = {"json_schema_extra": rules((f"!self.mountPath.matches('^({_OWN_MOUNTS})$')", _MOUNT_PATH_MESSAGE))}

    name: VolumeName
    """Name of the volume."""
    mount_path: Annotated[str, StringConstraints(max_length=512), Matches(_ABSOLUTE, _MOUNT_PATH_MESSAGE)]
    """Path at which it is mounted."""
    sub_path: Annotated[
        str,
        StringConstraints(max_length=512),
        Matches(r"|[^/.\s:][^/\s:]*(/[^/.\s:][^/\s:]*)*", "must be a relative path without '..'"),
    ] = ""
    """Path in the volume that is mounted. If it is empty, the whole volume is."""
    read_only: bool = False
    """Whether it is mounted read-only."""

    @model_validator(mode="after")
    def _is_not_posefleets(self) -> "VolumeMount":
        if re.fullmatch(_OWN_MOUNTS, self.mount_path):
            raise ValueError(_MOUNT_PATH_MESSAGE)
        return self


class PodOptions(ApiModel):
    """What the job adds to its pods. It is merged with the defaults that the administrator of your cluster has set:
    maps and lists are joined, and of two entries with the same name the job's is used."""

    labels: PodLabels = {}
    """Labels that are added to the pods."""
    annotations: PodAnnotations = {}
    """Annotations that are added to the pods."""
    node_selector: NodeLabels = {}
    """Labels that a node must have to run the pods."""
    node_affinity: Annotated[list[NodeRequirement], Field(max_length=16)] = []
    """Further conditions on the labels of a node, all of which it must meet."""
    tolerations: Annotated[list[Toleration], Field(max_length=32)] = []
    """Tolerations of the pods for the taints of nodes."""
    volumes: Annotated[list[Volume], Field(max_length=32), UniqueBy("name")] = []
    """Volumes that are added to the pods."""
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=32), UniqueBy("mountPath")] = []
    """Mounts of these volumes, or of those that the administrator of your cluster has set, in the trainer's
    containers."""
    env: Annotated[list[EnvVar], Field(max_length=64), UniqueBy("name")] = []
    """Environment variables of the trainer's containers."""
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=8), UniqueBy("name")] = []
    """Secrets with credentials for the image registry."""
    service_account_name: Annotated[ObjectName, _FILLED_IN] = ""
    """Name of the pods' service account, whose token is not mounted."""
    priority_class_name: Annotated[ObjectName, _FILLED_IN] = ""
    """Name of the pods' priority class."""
    runtime_class_name: Annotated[ObjectName, _FILLED_IN] = ""
    """Name of the pods' runtime class. It is often nvidia where NVIDIA's container runtime is not the default."""

    def part(self, name: str) -> Any:
        """Return a field as a plain value for a pod spec, without its defaults, or None if it is empty."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True).get(name)
