"""The types of single values in a manifest: URIs, paths, names, quantities."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

from posefleet_api.base import Embedded, KeysMatch, Matches

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
ObjectName = Annotated[
    str,
    StringConstraints(max_length=253),
    Matches(
        r"|[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "must be the name of a Kubernetes object: a-z, 0-9, '-' and '.'",
    ),
]
RequiredObjectName = Annotated[ObjectName, StringConstraints(min_length=1)]
Quantity = Annotated[
    str,
    StringConstraints(max_length=32),
    Matches(r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?", "must be a size such as 64Gi or 512Mi"),
]
_RESOURCE = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_RESOURCE_MESSAGE = "must be the name of an extended resource, DOMAIN/NAME, such as nvidia.com/gpu or rdma/hca"
ResourceName = Annotated[str, StringConstraints(max_length=128), Matches(_RESOURCE, _RESOURCE_MESSAGE)]
#: Kubernetes counts extended resources in whole numbers and writes them as text.
WholeQuantity = Annotated[
    str,
    StringConstraints(max_length=16),
    Matches(r"[1-9][0-9]*", 'must be a whole number in quotes, such as "1"'),
]
ExtendedResources = Annotated[
    dict[str, WholeQuantity], Field(max_length=8), KeysMatch(_RESOURCE, f"every key {_RESOURCE_MESSAGE}")
]
LabelText = Annotated[str, StringConstraints(max_length=256)]
Count = Annotated[int, Field(ge=1)]
PositiveNumber = Annotated[float, Field(gt=0)]
#: A keypoint, by its name in the labels file or by its number there, starting at 0.
KeypointRef = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=128)] | Annotated[int, Field(ge=0, le=9999)],
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 128}),
]
Fragment = Annotated[dict[str, Any], Embedded()]

_UNITS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def quantity_bytes(quantity: str) -> int:
    """Return the number of bytes of a ``Quantity`` such as ``64Gi``."""
    number = quantity.rstrip("KMGTki")
    return int(float(number) * _UNITS[quantity[len(number) :]])
