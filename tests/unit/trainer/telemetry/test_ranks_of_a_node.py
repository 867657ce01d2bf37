"""Metrics of a node whose ranks are processes of their own."""

import subprocess
import sys

RANK = """
import sys
from posefleet_trainer.telemetry import metrics
metrics.CACHE_HITS.inc(int(sys.argv[1]))
metrics.STEP_SECONDS.labels("data").observe(0.02)
metrics.GPU_MEMORY_PEAK_BYTES.set(100 * int(sys.argv[1]))
if sys.argv[1] == "3":
    metrics.ERROR_PIXELS.labels("validation").set(4.5)
print(metrics.exposition().decode())
"""


def test_one_rank_tells_what_all_ranks_of_its_node_count(tmp_path):
    for hits in ("2", "3"):
        command = [sys.executable, "-c", RANK, hits]
        told = subprocess.run(
            command, env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    assert "posefleet_trainer_cache_hits_total 5.0" in told
    assert 'posefleet_trainer_step_seconds_count{part="data"} 2.0' in told
    assert "posefleet_trainer_gpu_memory_peak_bytes 300.0" in told
    assert 'posefleet_trainer_error_pixels{set="validation"} 4.5' in told
    assert any(line.startswith('posefleet_trainer_info{version="') for line in told)
    assert not [line for line in told if "pid=" in line]
