"""What a trainer process tells Prometheus. Label values are few, and none is a user's text."""

from prometheus_client import Counter, Gauge, Histogram

_STEP_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_CHECKPOINT_BUCKETS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

FRAMES = Counter("posefleet_trainer_frames", "Frames that went through the network on this rank.", ["stage"])
STEP_SECONDS = Histogram(
    "posefleet_trainer_step_seconds",
    "Seconds of a training step: waiting for data, forward, backward, optimizer.",
    ["part"],
    buckets=_STEP_BUCKETS,
)
DECODED_FRAMES = Counter("posefleet_trainer_decoded_frames", "Video frames and images decoded for this rank.")
CACHE_HITS = Counter("posefleet_trainer_cache_hits", "Files that lay in the node cache.")
CACHE_MISSES = Counter("posefleet_trainer_cache_misses", "Files that had to be downloaded.")
CACHE_BYTES = Gauge("posefleet_trainer_cache_bytes", "Bytes in the node cache.")
STORE_BYTES = Counter("posefleet_trainer_store_bytes", "Bytes exchanged with the store.", ["direction"])
STORE_RETRIES = Counter("posefleet_trainer_store_retries", "Requests to the store that had to be repeated.")
CHECKPOINT_SECONDS = Histogram(
    "posefleet_trainer_checkpoint_seconds",
    "Seconds from the start of a checkpoint until it is complete in the store.",
    buckets=_CHECKPOINT_BUCKETS,
)
LOSS = Gauge("posefleet_trainer_loss", "Weighted loss of the last step.", ["term"])
VALIDATION_PIXEL_ERROR = Gauge(
    "posefleet_trainer_validation_pixel_error_pixels",
    "Mean distance to the validation labels in pixels of the source frames.",
)
GPU_MEMORY_BYTES = Gauge("posefleet_trainer_gpu_memory_bytes", "Most GPU memory that this rank has held.")
