"""The stage prepare on real stores."""

from dataclasses import replace
from pathlib import Path

import pytest

from integration.trainer.data.buckets import Bucket
from posefleet_trainer.context import Context
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.load import load_prepared
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.telemetry.metrics import DECODED_FRAMES, STORE_BYTES
from unit.trainer.dataset.projects import ProjectFolder, a_context


def downloaded() -> float:
    return STORE_BYTES.labels("download")._value.get()


def a_job(bucket: Bucket, root: Path, name: str) -> Context:
    """A job whose project, output and prepared data lie in the bucket."""
    context = a_context(root, name)
    return replace(
        context,
        project=bucket.open("project"),
        output=bucket.open(f"out/{name}"),
        prepared=bucket.open(".posefleet"),
    )


@pytest.fixture
def project(bucket: Bucket, tmp_path: Path) -> Path:
    """A project folder in the bucket, and where it lies on this machine."""
    root = ProjectFolder(tmp_path / "project").with_frames(6).with_video().root
    for path in root.rglob("*.*"):
        bucket.open("project").upload(path, str(path.relative_to(root)))
    return root


def test_second_job_downloads_no_video_and_decodes_nothing(bucket: Bucket, project: Path, tmp_path: Path):
    first = prepare(a_job(bucket, tmp_path, "one"))
    bytes_before, decoded_before = downloaded(), DECODED_FRAMES._value.get()

    context = a_job(bucket, tmp_path, "two")

    assert prepare(context) == first
    assert load_prepared(context.output, context.prepared, context.job.spec) == first
    assert DECODED_FRAMES._value.get() == decoded_before
    small = sum(path.stat().st_size for path in project.rglob("*.csv")) + 3 * len(first.to_json())
    assert downloaded() - bytes_before < small


def test_folder_in_the_store_without_files_is_refused(bucket: Bucket, tmp_path: Path):
    with pytest.raises(InvalidInput, match=rf"s3://{bucket.name}/project/ has no files; upload the project"):
        prepare(a_job(bucket, tmp_path, "one"))


def test_output_without_write_permission_is_refused_before_any_work(bucket: Bucket, project: Path, tmp_path: Path):
    bucket.login(bucket.server.read_only_user(bucket.name))
    decoded_before = DECODED_FRAMES._value.get()
    with pytest.raises(InvalidInput, match=rf"s3://{bucket.name}/out/one/.* denied to write it"):
        prepare(a_job(bucket, tmp_path, "one"))
    assert DECODED_FRAMES._value.get() == decoded_before
