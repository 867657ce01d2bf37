"""Metrics of a node whose ranks are processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

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
LAUNCHER = """
import os, pathlib, sys
from posefleet_trainer.gang.launcher import launch
sys.exit(launch([], pathlib.Path("job.json"), {**os.environ, "PYTHONPATH": "standin"}))
"""


def test_one_rank_tells_what_all_ranks_of_its_node_count(tmp_path):
    for hits in ("2", "3"):
        command = [sys.executable, "-c", RANK, hits]
        exposed = subprocess.run(
            command, env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    assert "posefleet_trainer_cache_hits_total 5.0" in exposed
    assert 'posefleet_trainer_step_seconds_count{part="data"} 2.0' in exposed
    assert "posefleet_trainer_gpu_memory_peak_bytes 300.0" in exposed
    assert 'posefleet_trainer_error_pixels{set="validation"} 4.5' in exposed
    assert any(line.startswith('posefleet_trainer_info{version="') for line in exposed)
    assert not [line for line in exposed if "pid=" in line]


def test_the_launcher_gives_the_ranks_of_a_node_one_folder_to_count_in(tmp_path):
    standin = tmp_path / "standin" / "posefleet_trainer"
    standin.mkdir(parents=True)
    (standin / "__init__.py").touch()
    (standin / "__main__.py").write_text(
        "import os; open(os.environ['RANK'], 'w').write(os.environ['PROMETHEUS_MULTIPROC_DIR'])"
    )
    environment = {**os.environ, "POSEFLEET_PROCESSES_PER_NODE": "2", "POSEFLEET_TERMINATION_LOG": "termination-log"}
    subprocess.run([sys.executable, "-c", LAUNCHER], cwd=tmp_path, env=environment, check=True, timeout=60)

    folders = {(tmp_path / rank).read_text() for rank in "01"}
    assert len(folders) == 1
    assert Path(folders.pop()).is_absolute()
