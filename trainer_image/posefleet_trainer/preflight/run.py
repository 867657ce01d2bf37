"""The preflight: every rank probes what it will use, all learn what all found, and one that cannot train ends the gang.

What another node may have is a failure that is tried again (``PreflightFailed``: a GPU that is missing or does not
compute, a full disk, a network that carries no data); what would be the same everywhere is the manifest's (a folder
that may not be written, a cache smaller than the data).
"""

import logging
import os
import socket
import time
from collections.abc import Sequence

from posefleet_api.constants import ENV_NUMBER
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.dataset.project import wants_clips
from posefleet_trainer.distributed import peer_errors
from posefleet_trainer.errors import PeerLost, TrainerError
from posefleet_trainer.preflight.collectives import probe_collectives
from posefleet_trainer.preflight.findings import DecodingFinding, GpuFinding, RankFindings
from posefleet_trainer.preflight.gpu import probe_gpu
from posefleet_trainer.preflight.metrics import publish
from posefleet_trainer.preflight.space import probe_space
from posefleet_trainer.preflight.store import probe_store
from posefleet_trainer.preflight.telling import block
from posefleet_trainer.training.collectives import from_all
from posefleet_trainer.training.reproducible import set_up_cublas

_log = logging.getLogger("posefleet.preflight")


def preflight(context: Context, prepared: Prepared) -> list[RankFindings]:
    """Probe, tell log, metrics and summary; what all ranks found, by rank. All ranks call it together.

    Raises:
        PreflightFailed, InvalidInput, StoreUnreachable: this rank cannot train.
        PeerLost: another rank cannot; its own end says why.
    """
    set_up_cublas()
    began = time.perf_counter()
    mine, failure = _alone(context, prepared)
    with peer_errors():
        found: list[RankFindings] = from_all(mine)
        if not any(one.problem for one in found):
            mine = mine.model_copy(update={"collectives": probe_collectives(context.rank.world)})
            found = from_all(mine)
    publish(mine, time.perf_counter() - began)
    context.facts.note(preflight=found)
    _tell(context, found)
    if failure is not None:
        raise failure
    if bad := [one for one in found if one.problem]:
        raise PeerLost("preflight: " + "; ".join(f"rank {one.rank} on {one.host}: {one.problem}" for one in bad))
    return found


def _alone(context: Context, prepared: Prepared) -> tuple[RankFindings, TrainerError | None]:
    """What a rank finds out by itself; its failure is kept until all ranks have heard of it."""
    rank, spec = context.rank, context.job.spec
    found = RankFindings(rank=rank.index, node=rank.index // rank.local_world, host=socket.gethostname())
    try:
        asked = spec.resources.gpus_per_node if ENV_NUMBER in os.environ else 0
        gpu = probe_gpu(rank.local_index, asked)
        found = found.model_copy(update={"gpu": gpu, "decoding": _decoding(context, gpu)})
        if rank.local_index == 0:
            space = probe_space(context.cache_directory, context.cache_bytes, spec, prepared)
            found = found.model_copy(update={"space": space, "store": probe_store(context.output)})
    except TrainerError as error:
        return found.model_copy(update={"problem": str(error)}), error
    return found, None


def _decoding(context: Context, gpu: GpuFinding | None) -> DecodingFinding | None:
    if gpu is None or not wants_clips(context.job.spec):
        return None
    from posefleet_trainer.preflight.decoding import probe_decoding
    from posefleet_trainer.training.data import image_size

    return probe_decoding(context.rank.local_index, image_size(context.job.spec))


def _tell(context: Context, found: Sequence[RankFindings]) -> None:
    """A block in the log of each pod; rank 0 tells of all."""
    rank = context.rank
    if rank.local_index != 0:
        return
    _log.setLevel(logging.INFO)
    node = rank.index // rank.local_world
    shown = found if rank.index == 0 else [one for one in found if one.node == node]
    _log.info("%s", block(shown))
