"""The findings in words."""

from collections.abc import Iterator, Sequence

from posefleet_trainer.preflight.findings import GpuFinding, RankFindings

_MEBIBYTE, _GIBIBYTE = 2**20, 2**30


def block(findings: Sequence[RankFindings]) -> str:
    """A few lines a rank."""
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
    free, whole = gpu.free_bytes / _GIBIBYTE, gpu.memory_bytes / _GIBIBYTE
    return f"{gpu.name}, {free:.1f} of {whole:.1f} GiB free, {gpu.flops / 1e12:.1f} TFLOP/s"


def _mebibytes(size_bytes: float) -> str:
    return f"{size_bytes / _MEBIBYTE:,.0f} MiB"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms"
