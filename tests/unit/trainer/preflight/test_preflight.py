"""A pod that looks at itself before it trains."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from posefleet_trainer.context import Context, Rank
from posefleet_trainer.errors import InvalidInput, PeerLost, PreflightFailed
from posefleet_trainer.preflight import preflight as stage
from posefleet_trainer.preflight.preflight import format_findings, preflight
from posefleet_trainer.preflight.probes import probe_gpu, probe_space
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.record.facts import DecodingFinding, FactsFile, GpuFinding, RankFindings
from posefleet_trainer.telemetry.metrics import PREFLIGHT_CACHE_FREE_BYTES, PREFLIGHT_OK
from unit.trainer.training.tiny import TinyProject, context_of

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is visible here")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    TinyProject().write(tmp_path)
    made = context_of(TinyProject().job(tmp_path, "output"), tmp_path)
    return replace(made, facts=FactsFile(tmp_path / "facts.json"))


@without_gpu
def test_what_is_found_is_logged_measured_and_noted(context: Context, tmp_path: Path, caplog: Any):
    with caplog.at_level(logging.INFO):
        (found,) = preflight(context, prepare(context))

    assert found.problem == ""
    assert found.store is not None
    assert found.store.write_bytes_per_second > 0
    assert found.space is not None
    assert 0 < found.space.needed_bytes < found.space.free_bytes
    assert "GPU         none" in caplog.text
    assert "store  " in caplog.text
    assert PREFLIGHT_OK._value.get() == 1
    assert PREFLIGHT_CACHE_FREE_BYTES._value.get() == found.space.free_bytes
    noted = json.loads((tmp_path / "facts.json").read_text())["preflight"]
    assert [RankFindings.model_validate(one) for one in noted] == [found]
    assert not list(context.output.list(".posefleet-probe")), "the probe must leave nothing behind"


@without_gpu
def test_a_missing_gpu_fails_the_pod_but_not_a_workstation(context: Context, monkeypatch: pytest.MonkeyPatch):
    spec = context.job.spec
    resources = spec.resources.model_copy(update={"gpus_per_node": 2})
    job = context.job.model_copy(update={"spec": spec.model_copy(update={"resources": resources})})
    wanting, prepared = replace(context, job=job), prepare(context)

    preflight(wanting, prepared)
    monkeypatch.setenv("POSEFLEET_NUMBER", "1")
    with pytest.raises(PreflightFailed, match="2 GPUs requested and 0 visible"):
        preflight(wanting, prepared)
    assert PREFLIGHT_OK._value.get() == 0


@without_gpu
def test_no_gpu_is_found_where_none_is_asked_for():
    assert probe_gpu(0, 0) is None


def test_a_cache_smaller_than_the_data_is_the_manifests_mistake(context: Context):
    with pytest.raises(InvalidInput, match=r"training reads [\d,]+; raise resources.cachePerNode"):
        preflight(replace(context, cache_bytes=1000), prepare(context))


def test_a_cache_smaller_than_the_largest_video_is_found_before_training(context: Context):
    prepared = prepare(context)
    video = prepared.predict_videos[0]
    huge = video.model_copy(update={"source": video.source.model_copy(update={"size_bytes": 10**12})})
    with pytest.raises(InvalidInput, match="the largest video has 1,000,000,000,000"):
        preflight(context, prepared.model_copy(update={"predict_videos": [huge]}))


def test_a_full_disk_is_this_nodes_failure(context: Context, monkeypatch: pytest.MonkeyPatch):
    prepared = prepare(context)
    monkeypatch.setattr(
        "posefleet_trainer.preflight.probes.shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})()
    )
    with pytest.raises(PreflightFailed, match="has 10 bytes for the cache"):
        probe_space(context.cache_directory / "none", 10**9, prepared)


def test_what_lies_in_the_cache_already_counts_as_room(context: Context, monkeypatch: pytest.MonkeyPatch):
    prepared = prepare(context)
    files = context.cache_directory / "files"
    files.mkdir(parents=True, exist_ok=True)
    (files / "kept.mp4").write_bytes(bytes(2**20))
    monkeypatch.setattr(
        "posefleet_trainer.preflight.probes.shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})()
    )
    assert probe_space(context.cache_directory, 10**9, prepared).free_bytes >= 2**20


def test_a_rank_learns_why_another_cannot_train(context: Context, monkeypatch: pytest.MonkeyPatch):
    other = RankFindings(rank=1, node=1, host="node-b", problem="2 GPUs requested and 1 visible")
    monkeypatch.setattr(stage, "from_all", lambda mine: [mine, other])
    with pytest.raises(PeerLost, match="rank 1 on node-b: 2 GPUs requested and 1 visible"):
        preflight(replace(context, rank=Rank(0, 2, 0, 1)), prepare(context))


def test_the_log_says_what_a_gpu_can_do():
    gpu = GpuFinding(name="NVIDIA X", memory_bytes=80 * 2**30, free_bytes=79 * 2**30, flops=5.1e13)
    decoding = DecodingFinding(decodes=False, reason="no NVDEC in this slice")
    text = format_findings([RankFindings(rank=5, node=1, host="b", gpu=gpu, decoding=decoding)])
    assert "rank 5 on b" in text
    assert "NVIDIA X, 79.0 of 80.0 GiB free, 51.0 TFLOP/s" in text
    assert "does not decode: no NVDEC in this slice" in text
