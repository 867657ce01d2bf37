"""What the trainer of a node tells Prometheus; docs/metrics.md lists it. Label values are few, and no user's text.

Under the launcher the ranks of a node count into one folder, and whichever is asked answers for all of them.
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


def exposition() -> bytes:
    """All metrics in Prometheus' text format: of all ranks of this node, or of this process where it is alone."""
    INFO.labels(version("posefleet")).set(1)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    joined = CollectorRegistry(support_collectors_without_names=True)
    MultiProcessCollector(joined)  # type: ignore[no-untyped-call]
    return generate_latest(joined)
