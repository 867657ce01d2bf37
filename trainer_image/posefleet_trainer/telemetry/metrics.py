"""The Prometheus metrics of a trainer process, which docs/metrics.md lists.

Label values are few and never contain a user's text. Under the launcher the ranks of a node write their metrics into
one folder, and any of them can serve the sum.
"""

import os
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_STEP_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_CHECKPOINT_BUCKETS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

INFO = Gauge("posefleet_trainer_info", "The trainer's version.", ["version"], multiprocess_mode="max")
FRAMES = Counter("posefleet_trainer_frames", "Frames that went through the network.", ["stage"])
STEP_SECONDS = Histogram(
    "posefleet_trainer_step_seconds",
    "Seconds of a training step: waiting for data, forward, backward, optimizer.",
    ["part"],
    buckets=_STEP_BUCKETS,
)
DECODED_FRAMES = Counter("posefleet_trainer_decoded_frames", "Video frames and images decoded.")
CACHE_HITS = Counter("posefleet_trainer_cache_hits", "Files that lay in the node cache.")
CACHE_MISSES = Counter("posefleet_trainer_cache_misses", "Files that had to be downloaded.")
CACHE_BYTES = Gauge("posefleet_trainer_cache_bytes", "Bytes in the node cache.", multiprocess_mode="mostrecent")
STORE_BYTES = Counter("posefleet_trainer_store_bytes", "Bytes exchanged with the store.", ["direction"])
STORE_RETRIES = Counter("posefleet_trainer_store_retries", "Requests to the store that had to be repeated.")
CHECKPOINT_SECONDS = Histogram(
    "posefleet_trainer_checkpoint_seconds",
    "Seconds from the start of a checkpoint until it is complete in the store.",
    buckets=_CHECKPOINT_BUCKETS,
)
LOSS = Gauge("posefleet_trainer_loss", "Weighted loss of the last step.", ["term"], multiprocess_mode="mostrecent")
ERROR_PIXELS = Gauge(
    "posefleet_trainer_error_pixels",
    "Mean distance to the labels of a set in pixels of the source frames.",
    ["set"],
    multiprocess_mode="mostrecent",
)
GPU_MEMORY_PEAK_BYTES = Gauge(
    "posefleet_trainer_gpu_memory_peak_bytes",
    "Most GPU memory that a rank of this node has held.",
    multiprocess_mode="max",
)

PREFLIGHT_OK = Gauge(
    "posefleet_trainer_preflight_ok", "Whether the probes of this node's ranks let it train.", multiprocess_mode="min"
)
PREFLIGHT_SECONDS = Gauge(
    "posefleet_trainer_preflight_seconds", "Seconds that the probes took.", multiprocess_mode="max"
)
PREFLIGHT_GPU_FREE_BYTES = Gauge(
    "posefleet_trainer_preflight_gpu_free_bytes", "Least memory free on a GPU of this node.", multiprocess_mode="min"
)
PREFLIGHT_GPU_FLOPS = Gauge(
    "posefleet_trainer_preflight_gpu_flops",
    "Floating-point operations a second of a small matrix product, on the slowest GPU of this node.",
    multiprocess_mode="min",
)
PREFLIGHT_NVDEC = Gauge(
    "posefleet_trainer_preflight_nvdec", "Whether all GPUs of this node decode video.", multiprocess_mode="min"
)
PREFLIGHT_COLLECTIVE_LATENCY_SECONDS = Gauge(
    "posefleet_trainer_preflight_collective_latency_seconds",
    "Seconds that summing one number over all ranks takes.",
    multiprocess_mode="max",
)
PREFLIGHT_COLLECTIVE_BYTES_PER_SECOND = Gauge(
    "posefleet_trainer_preflight_collective_bytes_per_second",
    "Bytes a second when a few megabytes are summed over all ranks.",
    multiprocess_mode="min",
)
PREFLIGHT_STORE_BYTES_PER_SECOND = Gauge(
    "posefleet_trainer_preflight_store_bytes_per_second",
    "Bytes a second of one small object to and from the store.",
    ["direction"],
    multiprocess_mode="max",
)
PREFLIGHT_CACHE_FREE_BYTES = Gauge(
    "posefleet_trainer_preflight_cache_free_bytes",
    "Bytes on this node's disk for the cache, with what lies there already.",
    multiprocess_mode="min",
)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format: those of all ranks of this node, or of a process that is alone."""
    INFO.labels(version("posefleet")).set(1)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    joined = CollectorRegistry(support_collectors_without_names=True)
    MultiProcessCollector(joined)  # type: ignore[no-untyped-call]
    return generate_latest(joined)
