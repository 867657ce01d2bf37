"""Every mistake ends in a sentence that names the thing and the remedy, before any training pod exists."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posefleet_demo.kubectl import KubectlRefused
from posefleet_demo.project import upload_folder
from posefleet_lab.object_stores.base import Credentials
from support.jobs import DATA_BUCKET, RESULTS_BUCKET, Jobs, a_manifest
from support.waiting import wait_for
from unit.trainer.video.recordings import Recording

pytestmark = pytest.mark.cluster

_VIDEO = "videos/vid.mp4"
_LABELS = "CollectedData.csv"


def unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def damaged(jobs: Jobs, small_project: Path, tmp_path: Path) -> Callable[[Callable[[Path], None]], str]:
    """Upload a copy of the small project after a change to it; the name of its folder in the store."""

    def upload(damage: Callable[[Path], None]) -> str:
        folder = tmp_path / "project"
        shutil.copytree(small_project, folder)
        damage(folder)
        name = unique("project")
        upload_folder(jobs.store.client(), folder, DATA_BUCKET, f"{name}/")
        return name

    return upload


def refused_in_prepare(jobs: Jobs, manifest: dict[str, Any]) -> str:
    """The message of a job that must fail before it trains."""
    name = jobs.apply(manifest)
    status = jobs.wait_finished(name, 60)
    failed = jobs.condition(name, "Failed")
    assert (status["phase"], failed["reason"]) == ("Failed", "InvalidInput"), status
    assert status.get("attempts", []) == []
    assert jobs.pods(name) == []
    assert "Traceback" not in failed["message"]
    jobs.delete(name)
    return str(failed["message"])


def prepared(jobs: Jobs, manifest: dict[str, Any]) -> dict[str, Any]:
    """The status of a job whose data were found good."""
    name = jobs.apply(manifest)

    def done() -> dict[str, Any] | None:
        assert jobs.status(name).get("phase") != "Failed", jobs.status(name)
        return jobs.status(name) if jobs.condition(name, "Prepared").get("status") == "True" else None

    status = wait_for("the data to be prepared", done, 60)
    jobs.delete(name)
    return status


@pytest.mark.parametrize(
    ("part", "value", "expected_words"),
    [
        ("model", {"backbone": "resnet99"}, ["spec.model.backbone", "resnet99", "resnet50"]),
        ("training", {"epochs": -1}, ["spec.training.epochs", "greater than or equal to 1"]),
        ("training", {"epoch": 3}, ["unknown field", "spec.training.epoch"]),
        ("dataset", {"uri": "s3://"}, ["spec.dataset.uri", "must be s3://BUCKET/PREFIX/"]),
        ("output", {"uri": "s3:///results/"}, ["spec.output.uri", "must be s3://BUCKET/PREFIX/"]),
    ],
    ids=["unknown backbone", "negative epochs", "unknown field", "s3 URI without bucket", "output without bucket"],
)
def test_the_api_server_refuses(jobs: Jobs, part: str, value: dict[str, Any], expected_words: list[str]):
    with pytest.raises(KubectlRefused) as refused:
        jobs.apply(a_manifest(jobs.store, unique("refused"), **{part: value}))
    assert all(word in str(refused.value) for word in expected_words), str(refused.value)


@pytest.mark.parametrize("part", ["dataset", "output"])
def test_a_bucket_that_is_missing(jobs: Jobs, part: str):
    manifest = a_manifest(jobs.store, unique("bad"), **{part: {"uri": "s3://nowhere-at-all/mouse/"}})
    message = refused_in_prepare(jobs, manifest)
    assert "s3://nowhere-at-all/" in message
    assert "the bucket nowhere-at-all does not exist" in message
    assert "create it or correct the URI" in message


def test_credentials_that_are_wrong(jobs: Jobs):
    secret = unique("wrong")
    jobs.create_secret(secret, Credentials("lab-nobody", "never-the-right-secret"))
    manifest = a_manifest(jobs.store, unique("bad"))
    manifest["spec"]["storage"]["credentialsSecretRef"] = {"name": secret}
    message = refused_in_prepare(jobs, manifest)
    assert "does not know the access key; correct AWS_ACCESS_KEY_ID in the Secret" in message
    assert "never-the-right-secret" not in message


def test_output_that_may_not_be_written(jobs: Jobs):
    secret = unique("reader")
    jobs.create_secret(secret, jobs.store.read_only_user(DATA_BUCKET))
    manifest = a_manifest(jobs.store, unique("bad"), output={"uri": f"s3://{DATA_BUCKET}/out/"})
    manifest["spec"]["storage"]["credentialsSecretRef"] = {"name": secret}
    message = refused_in_prepare(jobs, manifest)
    assert f"s3://{DATA_BUCKET}/out/" in message
    assert "denied to write it; give the user of the Secret that storage.credentialsSecretRef names" in message


def replace_labels(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / _LABELS
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return damage


def set_cell(row: int, column: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return change


def without_labels(lines: list[str]) -> list[str]:
    return [*lines[:3], *(line.split(",")[0] + "," * line.count(",") for line in lines[3:])]


@pytest.mark.parametrize(
    ("damage", "expected_words"),
    [
        (lambda folder: (folder / _LABELS).unlink(), [_LABELS, "does not exist", "upload it"]),
        (
            replace_labels(lambda lines: lines[3:]),
            [_LABELS, "row 1", "first three rows must begin with scorer, bodyparts and coords"],
        ),
        (replace_labels(lambda lines: [*lines[:6], lines[6] + ",1.0", *lines[7:]]), [_LABELS, "row 7"]),
        (replace_labels(set_cell(5, 2, "left")), [_LABELS, "row 6", "left"]),
        (lambda folder: (folder / "labeled-data/vid/img003.png").unlink(), ["img003.png", "row", "upload it"]),
        (
            replace_labels(without_labels),
            [_LABELS, "none of its", "rows has a label inside its frame; label some frames"],
        ),
    ],
    ids=["missing", "no header rows", "ragged row", "text for a number", "frame without a file", "zero labels"],
)
def test_labels_that_cannot_be_used(jobs: Jobs, damaged, damage: Callable[[Path], None], expected_words: list[str]):
    message = refused_in_prepare(jobs, a_manifest(jobs.store, unique("bad"), damaged(damage)))
    assert all(word in message for word in expected_words), message


def truncate(folder: Path) -> None:
    path = folder / _VIDEO
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "expected_words"),
    [
        (truncate, ["is truncated", "upload it again"]),
        (lambda folder: (folder / _VIDEO).write_bytes(b""), ["has 0 bytes", "upload it again"]),
        (
            lambda folder: (folder / _VIDEO).write_text("this is not a video\n" * 100),
            ["is text, not a video", "replace it"],
        ),
    ],
    ids=["truncated", "0 bytes", "a text file"],
)
def test_videos_that_cannot_be_read(jobs: Jobs, damaged, damage: Callable[[Path], None], expected_words: list[str]):
    message = refused_in_prepare(jobs, a_manifest(jobs.store, unique("bad"), damaged(damage)))
    assert all(word in message for word in [_VIDEO, *expected_words]), message


@pytest.mark.parametrize(
    "recording",
    [Recording(gaps_ms=(10, 70, 33, 41)), Recording(pixels="yuv444p")],
    ids=["variable frame rate", "yuv444p"],
)
def test_unusual_videos_work(jobs: Jobs, damaged, recording: Recording):
    project = damaged(lambda folder: recording.save(folder / _VIDEO))
    prepared(jobs, a_manifest(jobs.store, unique("good"), project))


def test_no_videos_for_an_unsupervised_loss(jobs: Jobs, damaged):
    project = damaged(lambda folder: (folder / _VIDEO).unlink())
    message = refused_in_prepare(jobs, a_manifest(jobs.store, unique("bad"), project))
    assert "dataset.videos" in message
    assert "set the weight of losses.temporal and losses.pcaSingleView to 0" in message


def test_fewer_labelled_rows_than_pca_needs(jobs: Jobs, damaged):
    project = damaged(replace_labels(lambda lines: lines[:7]))
    manifest = a_manifest(jobs.store, unique("bad"), project, losses={"pcaSingleView": {"components": 2}})
    message = refused_in_prepare(jobs, manifest)
    assert "pcaSingleView needs at least 6" in message


def test_a_keypoint_outside_its_frame_is_dropped_and_counted(jobs: Jobs, damaged):
    project = damaged(replace_labels(set_cell(5, 1, "9999")))
    status = prepared(jobs, a_manifest(jobs.store, unique("good"), project))
    (warning,) = [text for text in status["preparation"]["warnings"] if "outside" in text]
    assert "1 " in warning


def test_a_store_that_is_away_shows_in_the_condition_and_the_job_recovers(jobs: Jobs):
    jobs.store.stop()
    try:
        name = jobs.apply(a_manifest(jobs.store, unique("patient"), output={"uri": f"s3://{RESULTS_BUCKET}/patient/"}))
        away = wait_for(
            "the condition to tell of the store",
            lambda: (c := jobs.condition(name, "Prepared")).get("reason") == "StoreUnreachable" and c,
            90,
        )
        assert jobs.store.endpoint in away["message"]
    finally:
        jobs.store.start()
    wait_for("the job to go on", lambda: jobs.condition(name, "Prepared").get("status") == "True", 120)
    jobs.delete(name)
