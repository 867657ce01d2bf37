"""What the preflight tells Prometheus."""

from prometheus_client import Gauge

from posefleet_trainer.preflight.findings import RankFindings

OK = Gauge(
    "posefleet_trainer_preflight_ok", "Whether the probes of this node's ranks let it train.", multiprocess_mode="min"
)
SECONDS = Gauge("posefleet_trainer_preflight_seconds", "Seconds that the probes took.", multiprocess_mode="max")
GPU_FREE_BYTES = Gauge(
    "posefleet_trainer_preflight_gpu_free_bytes", "Least memory free on a GPU of this node.", multiprocess_mode="min"
)
GPU_FLOPS = Gauge(
    "posefleet_trainer_preflight_gpu_flops",
    "Floating-point operations a second of a small matrix product, on the slowest GPU of this node.",
    multiprocess_mode="min",
)
NVDEC = Gauge(
    "posefleet_trainer_preflight_nvdec", "Whether all GPUs of this node decode video.", multiprocess_mode="min"
)
COLLECTIVE_LATENCY_SECONDS = Gauge(
    "posefleet_trainer_preflight_collective_latency_seconds",
    "Seconds that summing one number over all ranks takes.",
    multiprocess_mode="max",
)
COLLECTIVE_BYTES_PER_SECOND = Gauge(
    "posefleet_trainer_preflight_collective_bytes_per_second",
    "Bytes a second when a few megabytes are summed over all ranks.",
    multiprocess_mode="min",
)
STORE_BYTES_PER_SECOND = Gauge(
    "posefleet_trainer_preflight_store_bytes_per_second",
    "Bytes a second of one small object to and from the store.",
    ["direction"],
    multiprocess_mode="max",
)
CACHE_FREE_BYTES = Gauge(
    "posefleet_trainer_preflight_cache_free_bytes",
    "Bytes on this node's disk for the cache, with what lies there already.",
    multiprocess_mode="min",
)


def publish(found: RankFindings, seconds: float) -> None:
    """Set the gauges to what one rank found."""
    OK.set(not found.problem)
    SECONDS.set(seconds)
    if found.gpu is not None:
        GPU_FREE_BYTES.set(found.gpu.free_bytes)
        GPU_FLOPS.set(found.gpu.flops)
    if found.decoding is not None:
        NVDEC.set(found.decoding.decodes)
    if found.collectives is not None:
        COLLECTIVE_LATENCY_SECONDS.set(found.collectives.latency_seconds)
        COLLECTIVE_BYTES_PER_SECOND.set(found.collectives.bytes_per_second)
    if found.store is not None:
        STORE_BYTES_PER_SECOND.labels("upload").set(found.store.write_bytes_per_second)
        STORE_BYTES_PER_SECOND.labels("download").set(found.store.read_bytes_per_second)
    if found.space is not None:
        CACHE_FREE_BYTES.set(found.space.free_bytes)
