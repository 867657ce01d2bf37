"""The stage preflight: each rank probes its machine, and the ranks log, publish and exchange what they found."""

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence

from posefleet_api.constants import ENV_NUMBER
from posefleet_api.model import Model
from posefleet_trainer.context import Context, Rank
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import PeerLost, TrainerError
from posefleet_trainer.gang.collectives import from_all
from posefleet_trainer.gang.determinism import set_up_cublas
from posefleet_trainer.gang.process_group import peer_errors
from posefleet_trainer.preflight.probes import probe_collectives, probe_gpu, probe_space, probe_store
from posefleet_trainer.record.facts import DecodingFinding, GpuFinding, RankFindings
from posefleet_trainer.telemetry.metrics import (
    PREFLIGHT_CACHE_FREE_BYTES,
    PREFLIGHT_COLLECTIVE_BYTES_PER_SECOND,
    PREFLIGHT_COLLECTIVE_LATENCY_SECONDS,
    PREFLIGHT_GPU_FLOPS,
    PREFLIGHT_GPU_FREE_BYTES,
    PREFLIGHT_NVDEC,
    PREFLIGHT_OK,
    PREFLIGHT_SECONDS,
    PREFLIGHT_STORE_BYTES_PER_SECOND,
)

_MEBIBYTE, _GIBIBYTE = 2**20, 2**30

_log = logging.getLogger("posefleet.preflight")


def preflight(context: Context, prepared: Prepared) -> list[RankFindings]:
    """Probe what the job will use, and write the findings to the log, the metrics and the summary of the attempt.

    All ranks must call it together; all return the findings of all ranks, in their order.

    Raises:
        PreflightFailed: This machine cannot train; another one may.
        InvalidInput: The manifest allows too little cache, or the output folder cannot be written.
        StoreUnreachable: The store did not answer.
        PeerLost: Another rank cannot train.
    """
    set_up_cublas()
    began = time.perf_counter()
    mine, failure = _probe_rank(context, prepared)
    with peer_errors():
        found: list[RankFindings] = from_all(mine)
        if not any(one.problem for one in found):
            mine = mine.model_copy(update={"collectives": probe_collectives(context.rank.world)})
            found = from_all(mine)
    publish(mine, time.perf_counter() - began)
    context.facts.note(preflight=found)
    _log_findings(context.rank, found)
    if failure is not None:
        raise failure
    if bad := [one for one in found if one.problem]:
        raise PeerLost("preflight: " + "; ".join(f"rank {one.rank} on {one.host}: {one.problem}" for one in bad))
    return found


def _probe_rank(context: Context, prepared: Prepared) -> tuple[RankFindings, TrainerError | None]:
    """Probe what this rank can without the others.

    An error is returned and not raised, so that the other ranks learn of it before this one ends.
    """
    rank, spec = context.rank, context.job.spec
    found = RankFindings(rank=rank.index, node=rank.index // rank.local_world, host=socket.gethostname())
    try:
        # Without an operator, which sets the variable, a job also trains without the GPUs that it requests.
        requested = spec.resources.gpus_per_node if ENV_NUMBER in os.environ else 0
        gpu = probe_gpu(rank.local_index, requested)
        decoding = _probe_video_decoder(rank.local_index, spec.model, prepared, gpu)
        found = found.model_copy(update={"gpu": gpu, "decoding": decoding})
        if rank.local_index == 0:
            space = probe_space(context.cache_directory, context.cache_bytes, prepared)
            found = found.model_copy(update={"space": space, "store": probe_store(context.output)})
    except TrainerError as error:
        return found.model_copy(update={"problem": str(error)}), error
    return found, None


def _probe_video_decoder(
    device: int, model: Model, prepared: Prepared, gpu: GpuFinding | None
) -> DecodingFinding | None:
    """Check whether the GPU decodes video; None where no video is decoded on a GPU."""
    if gpu is None or not prepared.clip_videos:
        return None
    # DALI takes long to import, and is not needed without a GPU.
    from posefleet_trainer.loading.devices import probe_decoding
    from posefleet_trainer.models.coordinates import image_grid

    return probe_decoding(device, image_grid(model))


def _log_findings(rank: Rank, found: Sequence[RankFindings]) -> None:
    """Log the findings of the ranks of this node, and on rank 0 those of all."""
    if rank.local_index != 0:
        return
    _log.setLevel(logging.INFO)
    node = rank.index // rank.local_world
    shown = found if rank.index == 0 else [one for one in found if one.node == node]
    _log.info("%s", format_findings(shown))


def publish(found: RankFindings, seconds: float) -> None:
    """Set the metrics of the preflight to the findings of this rank and the duration of the probes."""
    PREFLIGHT_OK.set(not found.problem)
    PREFLIGHT_SECONDS.set(seconds)
    if found.gpu is not None:
        PREFLIGHT_GPU_FREE_BYTES.set(found.gpu.free_bytes)
        PREFLIGHT_GPU_FLOPS.set(found.gpu.flops)
    if found.decoding is not None:
        PREFLIGHT_NVDEC.set(found.decoding.decodes)
    if found.collectives is not None:
        PREFLIGHT_COLLECTIVE_LATENCY_SECONDS.set(found.collectives.latency_seconds)
        PREFLIGHT_COLLECTIVE_BYTES_PER_SECOND.set(found.collectives.bytes_per_second)
    if found.store is not None:
        PREFLIGHT_STORE_BYTES_PER_SECOND.labels("upload").set(found.store.write_bytes_per_second)
        PREFLIGHT_STORE_BYTES_PER_SECOND.labels("download").set(found.store.read_bytes_per_second)
    if found.space is not None:
        PREFLIGHT_CACHE_FREE_BYTES.set(found.space.free_bytes)


def format_findings(findings: Sequence[RankFindings]) -> str:
    """Return the findings as text, a few lines for each rank."""
    return "\n".join(["preflight", *(f"  {line}" for one in findings for line in _lines(one))])


def _lines(found: RankFindings) -> Iterator[str]:
    yield f"rank {found.rank} on {found.host}"
    yield f"  GPU         {_gpu(found.gpu)}"
    if (decoding := found.decoding) is not None:
        yield f"  NVDEC       {'decodes' if decoding.decodes else 'does not decode: ' + decoding.reason}"
    if (summing := found.collectives) is not None:
        speed = _mebibytes(summing.bytes_per_second)
        yield f"  collectives {summing.backend}, {_milliseconds(summing.latency_seconds)}, {speed}/s"
    if (store := found.store) is not None:
        writes, reads = _mebibytes(store.write_bytes_per_second), _mebibytes(store.read_bytes_per_second)
        yield f"  store       {_milliseconds(store.latency_seconds)}, writes {writes}/s, reads {reads}/s"
    if (space := found.space) is not None:
        needed, free, limit = map(_mebibytes, (space.needed_bytes, space.free_bytes, space.limit_bytes))
        yield f"  cache       {needed} needed, {free} free, {limit} allowed"
    if found.problem:
        yield f"  problem     {found.problem}"


def _gpu(gpu: GpuFinding | None) -> str:
    if gpu is None:
        return "none: trains on the CPU"
    free, total = gpu.free_bytes / _GIBIBYTE, gpu.memory_bytes / _GIBIBYTE
    return f"{gpu.name}, {free:.1f} of {total:.1f} GiB free, {gpu.flops / 1e12:.1f} TFLOP/s"


def _mebibytes(size_bytes: float) -> str:
    return f"{size_bytes / _MEBIBYTE:,.0f} MiB"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms"
