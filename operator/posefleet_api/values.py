"""The types of single values in a manifest: URIs, paths, names, quantities."""

from typing import Annotated

from pydantic import Field, StringConstraints, WithJsonSchema

from posefleet_api.base import DoesNotMatch, KeysMatch, Matches, NoKeysMatch

Uri = Annotated[
    str,
    StringConstraints(max_length=1024),
    Matches(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?|file:///[^\s?#]+",
        "must be s3://BUCKET/PREFIX/ (a bucket has 3 to 63 characters of a-z, 0-9, '-', '.') or file:///ABSOLUTE/PATH/",
    ),
]
OptionalUri = Annotated[
    str,
    StringConstraints(max_length=1024),
    Matches(
        r"|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\s?#]+|file:///[^\s?#]+",
        "must be empty, s3://BUCKET/KEY or file:///ABSOLUTE/PATH",
    ),
]
Endpoint = Annotated[
    str,
    StringConstraints(max_length=512),
    Matches(
        r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?",
        "must be the store's address without a path or credentials, such as https://minio.example:9000",
    ),
]
RelativePath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    Matches(
        r"([^/.\s][^/]*|\.[^/.][^/]*)(/([^/.][^/]*|\.[^/.][^/]*))*",
        "must be a path inside the project folder: no leading '/', no '..'",
    ),
]
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_QUALIFIED_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_OBJECT_NAME_MESSAGE = "must be the name of a Kubernetes object: a-z, 0-9 and '-', in parts that '.' separates"
ObjectName = Annotated[str, StringConstraints(max_length=253), Matches(f"|{_DNS_NAME}", _OBJECT_NAME_MESSAGE)]
RequiredObjectName = Annotated[
    str, StringConstraints(min_length=1, max_length=253), Matches(_DNS_NAME, _OBJECT_NAME_MESSAGE)
]
#: The name of an object that also becomes the value of a label, such as a queue.
LabelName = Annotated[
    str,
    StringConstraints(max_length=63),
    Matches(f"|{_DNS_NAME}", "must be the name of a Kubernetes object with at most 63 characters"),
]
Quantity = Annotated[
    str,
    StringConstraints(max_length=16),
    Matches(
        r"0*[1-9][0-9]{0,5}(\.[0-9]{1,3})?(Mi|Gi|Ti|M|G|T)",
        "must be a size of at least 1M with a unit, such as 64Gi or 512Mi",
    ),
]
_RESOURCE = rf"{_DNS_NAME}/{_QUALIFIED_NAME}"
_RESOURCE_MESSAGE = "must be the name of an extended resource, DOMAIN/NAME, such as nvidia.com/gpu or rdma/hca"
_NATIVE_RESOURCE = r"requests\..*|(.*\.)?kubernetes\.io/.*"
_NATIVE_RESOURCE_MESSAGE = "names that begin with requests. and those of kubernetes.io are no extended resources"
_LONGEST_RESOURCE = 128
ResourceName = Annotated[
    str,
    StringConstraints(max_length=_LONGEST_RESOURCE),
    Matches(_RESOURCE, _RESOURCE_MESSAGE),
    DoesNotMatch(_NATIVE_RESOURCE, _NATIVE_RESOURCE_MESSAGE),
]
#: Kubernetes counts extended resources in whole numbers and writes them as text.
WholeQuantity = Annotated[
    str,
    StringConstraints(max_length=9),
    Matches(r"[1-9][0-9]*", 'must be a whole number in quotes, such as "1"'),
]
ExtendedResources = Annotated[
    dict[str, WholeQuantity],
    Field(max_length=8),
    KeysMatch(_RESOURCE, f"every key {_RESOURCE_MESSAGE}", _LONGEST_RESOURCE),
    NoKeysMatch(_NATIVE_RESOURCE, _NATIVE_RESOURCE_MESSAGE),
]
_LABEL_KEY = rf"({_DNS_NAME}/)?{_QUALIFIED_NAME}"
_LABEL_KEY_MESSAGE = "must be the key of a label, NAME or DOMAIN/NAME, such as nvidia.com/gpu.product"
_LONGEST_KEY = 253
_LABEL_VALUE = f"|{_QUALIFIED_NAME}"
_LABEL_VALUE_MESSAGE = "must be the value of a label: up to 63 characters of A-Z, a-z, 0-9, '-', '_' and '.'"
LabelKey = Annotated[str, StringConstraints(max_length=_LONGEST_KEY), Matches(_LABEL_KEY, _LABEL_KEY_MESSAGE)]
LabelValue = Annotated[str, StringConstraints(max_length=63), Matches(_LABEL_VALUE, _LABEL_VALUE_MESSAGE)]
_RESERVED_KEYS = r"(posefleet\.io|batch\.kubernetes\.io)/.*|job-name|controller-uid"
_RESERVED_KEYS_MESSAGE = "keys of posefleet.io/ and batch.kubernetes.io/, job-name and controller-uid are reserved"
NodeLabels = Annotated[
    dict[str, LabelValue],
    Field(max_length=64),
    KeysMatch(_LABEL_KEY, f"every key {_LABEL_KEY_MESSAGE}", _LONGEST_KEY),
]
PodLabels = Annotated[NodeLabels, NoKeysMatch(_RESERVED_KEYS, _RESERVED_KEYS_MESSAGE)]
#: Annotations whose values the API server checks, or that mean something to the kubelet.
_POD_SETTINGS = (
    r"kubernetes\.io/.*|controller\.kubernetes\.io/pod-deletion-cost|"
    r"container\.apparmor\.security\.beta\.kubernetes\.io/.*|"
    r"(container\.)?seccomp\.security\.alpha\.kubernetes\.io/.*"
)
_POD_SETTINGS_MESSAGE = "annotations that change a pod's security or life, such as those of kubernetes.io/, are refused"
PodAnnotations = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=1024)]],
    Field(max_length=32),
    KeysMatch(_LABEL_KEY, f"every key {_LABEL_KEY_MESSAGE}", _LONGEST_KEY),
    NoKeysMatch(_RESERVED_KEYS, _RESERVED_KEYS_MESSAGE),
    NoKeysMatch(_POD_SETTINGS, _POD_SETTINGS_MESSAGE),
]
Region = Annotated[
    str,
    StringConstraints(max_length=64),
    Matches(r"[A-Za-z0-9-]*", "must be the name of a region such as eu-central-1"),
]
Count = Annotated[int, Field(ge=1)]
PositiveNumber = Annotated[float, Field(gt=0)]
#: A keypoint, by its name in the labels file or by its number there, starting at 0.
KeypointRef = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=128)] | Annotated[int, Field(ge=0, le=9999)],
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 128}),
]

_UNITS = {
    "M": 10**6, "G": 10**9, "T": 10**12, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def quantity_bytes(quantity: str) -> int:
    """Return the number of bytes of a ``Quantity`` such as ``64Gi``."""
    number = quantity.rstrip("MGTi")
    return int(float(number) * _UNITS[quantity[len(number) :]])
