"""What a summary says of attempts that ended in different ways."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from posefleet_api.outcomes import ExitCode, ProgressReport, TerminationMessage
from posefleet_api.status import Progress
from posefleet_trainer.gang.ending import RankEnd
from posefleet_trainer.record.facts import FactsFile, GpuFinding, RankFindings
from posefleet_trainer.record.pod_record import FACTS_FILE
from posefleet_trainer.record.summary import AttemptEnd, AttemptStart, AttemptSummary, counted_in, summarize
from unit.trainer.training.tiny import TinyProject

START = AttemptStart(seconds=1_700_000_000.0, number=3, nodes=2, processes_per_node=2)
ENDED = 1_700_000_090.5
COUNTING = """
import os, signal, sys
from posefleet_trainer.telemetry.metrics import CACHE_HITS, STEP_SECONDS, STORE_BYTES
CACHE_HITS.inc(2)
STORE_BYTES.labels("download").inc(1000)
for part, seconds in (("data", 0.5), ("optimizer", 0.25)):
    STEP_SECONDS.labels(part).observe(seconds)
os.kill(os.getpid(), signal.SIGKILL)
"""


def of(folder: Path, code: int, message: TerminationMessage | None = None) -> AttemptSummary:
    end = RankEnd(0, code, folder / "rank-0.json")
    if message is not None:
        end.message_file.write_bytes(message.encode())
    attempt_end = AttemptEnd(ENDED, end.exit_code, end.message)
    return summarize(TinyProject().job(folder, "out"), START, attempt_end, folder / FACTS_FILE, folder)


@pytest.mark.parametrize(
    ("code", "reason", "outcome"),
    [
        (0, "Completed", "Succeeded"),
        (ExitCode.PREEMPTED, "Preempted", "Preempted"),
        (ExitCode.INVALID_INPUT, "InvalidInput", "InvalidInput"),
        (ExitCode.FAILED, "PreflightFailed", "Failed"),
        (ExitCode.PEER_LOST, "PeerLost", "Failed"),
    ],
)
def test_the_end_is_told_as_far_as_the_node_knows_it(tmp_path: Path, code: int, reason: str, outcome: str):
    recorded = of(tmp_path, code, TerminationMessage(reason=reason, message="why"))
    assert (recorded.outcome, recorded.reason, recorded.message, recorded.exit_code) == (outcome, reason, "why", code)
    assert (recorded.attempt, recorded.nodes, recorded.world_size, recorded.seconds) == (3, 2, 4, 90.5)
    assert (recorded.start_time, recorded.end_time) == ("2023-11-14T22:13:20Z", "2023-11-14T22:14:50Z")


def test_a_rank_that_is_killed_leaves_what_it_noted_and_counted(tmp_path: Path):
    facts = FactsFile(tmp_path / "facts.json")
    facts.note(report=ProgressReport(attempt=3, progress=Progress(stage="train", step=17)), losses={"heatmap": 0.5})
    found = RankFindings(rank=0, node=0, host="a", gpu=GpuFinding(name="X1", memory_bytes=2, free_bytes=1, flops=1e12))
    facts.note(preflight=[found])
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", COUNTING], env=environment, check=False)

    recorded = of(tmp_path, killed.returncode)

    assert (recorded.outcome, recorded.reason, recorded.exit_code) == ("Failed", "Error", 128 + signal.SIGKILL)
    assert "killed (SIGKILL)" in recorded.message
    assert recorded.facts.report is not None
    assert recorded.facts.report.progress.step == 17
    assert recorded.gpus == ["X1"]
    assert recorded.counted.step_seconds == {"data": 0.5, "optimizer": 0.25}
    assert (recorded.counted.cache_hits, recorded.counted.store_bytes) == (2, {"download": 1000})
    assert AttemptSummary.model_validate_json(recorded.to_json()) == recorded


def test_an_attempt_that_runs_has_no_outcome_yet(tmp_path: Path):
    recorded = summarize(TinyProject().job(tmp_path, "out"), START, None, tmp_path / FACTS_FILE, tmp_path)
    assert (recorded.outcome, recorded.end_time, recorded.facts.report) == ("", None, None)


def test_nothing_counted_is_nothing(tmp_path: Path):
    assert counted_in(tmp_path).step_seconds == {}


def test_a_file_of_facts_that_is_damaged_is_passed_over(tmp_path: Path):
    (tmp_path / "facts.json").write_text("{")
    assert of(tmp_path, 1).facts.losses == {}


def test_a_message_that_a_full_disk_has_cut_does_not_hide_the_end(tmp_path: Path):
    (tmp_path / "rank-0.json").touch()
    end = RankEnd(0, ExitCode.INVALID_INPUT, tmp_path / "rank-0.json")
    assert end.message.message == "rank 0 ended with exit code 78 and left no message; see its log"
