"""``posefleet init`` on projects in real stores."""

from pathlib import Path

import pytest
import yaml

from integration.trainer.data.buckets import Bucket
from posefleet_cli.main import main
from posefleet_trainer.telemetry.metrics import STORE_BYTES
from unit.trainer.dataset.projects import ProjectFolder
from unit.trainer.video.recordings import Recording


def test_a_project_in_a_store_is_inspected_without_downloading_its_video(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = ProjectFolder(tmp_path / "project").with_frames(20).with_video("videos/a.mp4", Recording(frames=30))
    # Bytes after the video's last box are of no interest to a reader of its header.
    with (folder.root / "videos/a.mp4").open("ab") as file:
        file.write((64 * 2**20).to_bytes(4, "big") + b"free")
        file.truncate(file.tell() - 8 + 64 * 2**20)
    for path in folder.root.rglob("*.*"):
        bucket.open("mouse").upload(path, str(path.relative_to(folder.root)))
    before = STORE_BYTES.labels("download")._value.get()

    assert main(["init", f"s3://{bucket.name}/mouse", "--endpoint", bucket.server.endpoint]) == 0

    captured = capsys.readouterr()
    spec = yaml.safe_load(captured.out)["spec"]
    assert spec["dataset"] == {"uri": f"s3://{bucket.name}/mouse/"}
    assert spec["output"] == {"uri": f"s3://{bucket.name}/posefleet-results/mouse/"}
    assert "# losses: temporal and pcaSingleView, the defaults, suit these data" in captured.out
    assert captured.err == ""
    assert STORE_BYTES.labels("download")._value.get() - before < 8 * 2**20


def test_a_bucket_that_does_not_exist_is_explained(bucket: Bucket, capsys: pytest.CaptureFixture[str]):
    assert main(["init", "s3://nowhere-at-all/mouse/", "--endpoint", bucket.server.endpoint]) != 0
    assert "the bucket nowhere-at-all does not exist" in capsys.readouterr().err
