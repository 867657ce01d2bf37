"""What the probes found."""

from posefleet_api.base import ApiModel


class GpuFinding(ApiModel):
    """One rank's GPU."""

    name: str
    memory_bytes: int
    free_bytes: int
    flops: float
    """Floating-point operations a second of a small matrix product."""


class DecodingFinding(ApiModel):
    """Whether a rank's GPU decodes video."""

    decodes: bool
    reason: str = ""
    """Why it does not."""


class CollectiveFinding(ApiModel):
    """What summing over all ranks takes, on the device that trains."""

    backend: str
    latency_seconds: float
    """Of four bytes."""
    bytes_per_second: float
    """Of a few megabytes."""


class StoreFinding(ApiModel):
    """The output folder."""

    latency_seconds: float
    """Of a question that transfers nothing."""
    write_bytes_per_second: float
    read_bytes_per_second: float


class SpaceFinding(ApiModel):
    """The cache of a node."""

    free_bytes: int
    """On its disk, with what lies in the cache already."""
    limit_bytes: int
    """resources.cachePerNode."""
    needed_bytes: int
    """By the prepared data that training reads, and by the largest video that is predicted."""


class RankFindings(ApiModel):
    """Of one rank; what concerns its whole node is told by the node's first."""

    rank: int
    node: int
    host: str
    gpu: GpuFinding | None = None
    decoding: DecodingFinding | None = None
    collectives: CollectiveFinding | None = None
    store: StoreFinding | None = None
    space: SpaceFinding | None = None
    problem: str = ""
    """Why this rank cannot train."""
