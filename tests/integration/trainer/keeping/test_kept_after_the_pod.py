"""What a pod leaves in a real store, however it ends: ranks that only act, and a gang that trains."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from integration.trainer.data.buckets import Bucket
from posefleet_lab.object_stores import ObjectStore, object_store
from unit.trainer.training.tiny import TinyProject

_DEADLINE_SECONDS = 240.0
_ACTOR = """
import os, signal, sys, time
print("secret", os.environ["AWS_SECRET_ACCESS_KEY"], flush=True)
print("no such host: http://store/b/k?X-Amz-Signature=0123456789abcdef", file=sys.stderr, flush=True)
if os.environ["ACT"] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if os.environ["ACT"] == "waiting":
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store("minio", tmp_path_factory.mktemp("minio")) as running:
        yield running


@pytest.fixture
def bucket(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket(server, f"test-{uuid4().hex[:12]}", monkeypatch)
    server.create_bucket(made.name)
    made.login(server.credentials)
    return made


def job_file(folder: Path, bucket: Bucket, project: TinyProject | None = None) -> Path:
    """A job whose project and output lie in the bucket."""
    job = (project or TinyProject()).job(folder, "out").to_dict()
    root = f"s3://{bucket.name}"
    job["spec"] |= {
        "dataset": {**job["spec"]["dataset"], "uri": f"{root}/project/"},
        "output": {"uri": f"{root}/out/", "cacheUri": f"{root}/.posefleet/"},
        "storage": {"endpoint": bucket.server.endpoint},
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return path


def pod(folder: Path, command: list[str], **environment: str) -> "subprocess.Popen[str]":
    """The command with the environment of a pod of the operator."""
    variables = {
        **os.environ,
        "POSEFLEET_CACHE_DIR": str(folder / "cache"),
        "POSEFLEET_TERMINATION_LOG": str(folder / "termination-log"),
        **environment,
    }
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def acting(folder: Path, job: Path, act: str, **environment: str) -> "subprocess.Popen[str]":
    """The launcher with ranks that only act."""
    package = folder / "standin" / "posefleet_trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(textwrap.dedent(_ACTOR))
    driver = (
        "import os, sys\nfrom pathlib import Path\nfrom posefleet_trainer.gang.launcher import launch\n"
        f"sys.exit(launch([], Path({str(job)!r}), {{**os.environ, 'PYTHONPATH': {str(package.parent)!r}}}))\n"
    )
    return pod(folder, [sys.executable, "-c", driver], ACT=act, **environment)


def read(bucket: Bucket, key: str) -> str:
    return bucket.open("out").read(key).decode()


def test_a_rank_that_is_killed_leaves_its_log_and_a_summary(bucket: Bucket, tmp_path: Path):
    process = acting(tmp_path, job_file(tmp_path, bucket), "killed", POSEFLEET_NUMBER="4", JOB_COMPLETION_INDEX="0")
    shown, _ = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGKILL
    log = read(bucket, "attempts/4/node-0.log")
    assert log == shown
    assert "no such host" in log
    summary = json.loads(read(bucket, "attempts/4/summary.json"))
    assert (summary["outcome"], summary["attempt"], summary["exitCode"]) == ("Failed", 4, 137)
    assert "killed (SIGKILL)" in summary["message"]


def test_no_credential_reaches_log_or_summary(bucket: Bucket, tmp_path: Path):
    process = acting(tmp_path, job_file(tmp_path, bucket), "killed", POSEFLEET_NUMBER="1", JOB_COMPLETION_INDEX="0")
    shown, _ = process.communicate(timeout=60)

    kept = shown + read(bucket, "attempts/1/node-0.log") + read(bucket, "attempts/1/summary.json")
    assert "secret [hidden]" in kept
    assert bucket.server.credentials.secret_key not in kept
    assert "0123456789abcdef" not in kept


def test_other_nodes_and_preparations_have_logs_of_their_own(bucket: Bucket, tmp_path: Path):
    for folder, environment in (("a", {"JOB_COMPLETION_INDEX": "1"}), ("b", {})):
        (tmp_path / folder).mkdir()
        job = job_file(tmp_path / folder, bucket)
        acting(tmp_path / folder, job, "ending", POSEFLEET_NUMBER="2", **environment).communicate(timeout=60)

    assert [found.key for found in bucket.open("out").list()] == ["attempts/2/node-1.log", "prepare/2.log"]


def test_without_a_number_nothing_is_kept(bucket: Bucket, tmp_path: Path):
    process = acting(tmp_path, job_file(tmp_path, bucket), "ending")
    assert "no such host" in process.communicate(timeout=60)[0]
    assert list(bucket.open("out").list()) == []


def test_a_store_that_is_away_neither_fails_nor_delays_the_end(bucket: Bucket, tmp_path: Path):
    job = json.loads(job_file(tmp_path, bucket).read_text())
    job["spec"]["storage"]["endpoint"] = "http://127.0.0.1:9"
    (tmp_path / "job.json").write_text(json.dumps(job))
    process = acting(tmp_path, tmp_path / "job.json", "ending", POSEFLEET_NUMBER="1", JOB_COMPLETION_INDEX="0")
    began = time.monotonic()
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "logs and summary are not in the store" in shown
    # Six seconds for the store, the rest for a slow machine to start Python twice.
    assert time.monotonic() - began < 30


def test_a_gang_that_is_struck_while_it_trains_leaves_what_it_knew(bucket: Bucket, tmp_path: Path):
    project = TinyProject(training={"epochs": 2000}, checkpoint={"intervalSeconds": 0})
    project.write(tmp_path)
    for path in (tmp_path / "project").rglob("*.*"):
        bucket.open("project").upload(path, str(path.relative_to(tmp_path / "project")))
    command = [sys.executable, "-m", "posefleet_trainer", str(job_file(tmp_path, bucket, project))]
    prepare = pod(tmp_path, [*command, "--stages", "prepare"], POSEFLEET_NUMBER="1")
    assert prepare.wait(_DEADLINE_SECONDS) == 0
    assert "prepared" in read(bucket, "prepare/1.log")

    process = pod(
        tmp_path,
        [*command, "--stages", "train"],
        POSEFLEET_NUMBER="1",
        POSEFLEET_PROCESSES_PER_NODE="2",
        JOB_COMPLETION_INDEX="0",
    )
    wait_for_checkpoint(bucket, process)
    os.kill(rank_of(process, 1), signal.SIGKILL)
    rest, _ = process.communicate(timeout=_DEADLINE_SECONDS)

    assert process.returncode == 128 + signal.SIGKILL, rest
    log = read(bucket, "attempts/1/node-0.log")
    assert "preflight" in log
    assert "first step after" in log
    assert "PeerLost" in log
    summary = json.loads(read(bucket, "attempts/1/summary.json"))
    assert (summary["outcome"], summary["worldSize"], summary["nodes"]) == ("Failed", 2, 1)
    assert "rank 1 was killed" in summary["message"]
    assert summary["facts"]["report"]["progress"]["step"] >= 1
    assert set(summary["counted"]["stepSeconds"]) == {"data", "forward", "backward", "optimizer"}
    assert summary["counted"]["storeBytes"]["upload"] >= 2**20
    assert summary["facts"]["report"]["lastCheckpoint"]["step"] >= 1
    assert [finding["rank"] for finding in summary["facts"]["preflight"]] == [0, 1]
    assert {"import", "join", "preflight", "step"} <= set(summary["facts"]["startupSeconds"])
    assert bucket.server.credentials.secret_key not in log + json.dumps(summary)


def wait_for_checkpoint(bucket: Bucket, process: "subprocess.Popen[str]") -> None:
    """By then a step has been done."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not any(stored.key.endswith(".json") for stored in bucket.open("out").list("checkpoints/")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def rank_of(process: "subprocess.Popen[str]", rank: int) -> int:
    """The process number of a rank."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (found,) = [
        int(child)
        for child in children
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    ]
    return found
