"""The manifests that ``posefleet init`` writes."""

from pathlib import Path

import pytest
import yaml

from posefleet_cli.choices import image_size
from posefleet_cli.main import main
from posefleet_cli.manifest_text import job_name
from posefleet_trainer.preparation.prepare import prepare
from unit.cli.command import CONFIG, manifest, refusal
from unit.trainer.dataset.projects import ProjectFolder, a_context


def test_the_manifest_of_a_project_has_a_line_for_each_choice(
    folder: ProjectFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text, _ = manifest(capsys, folder.root)
    assert (
        text
        == f"""\
apiVersion: posefleet.io/v1alpha1
kind: PoseTrainingJob
metadata: {{name: my-mouse}}
spec:
  dataset:
    # every node must have this folder; to use a store, upload it and name its s3:// URI
    uri: file://{tmp_path}/My%20Mouse/
    # 20 labelled frames of 2 keypoints, format lightningPose
  output:
    # a folder of this job alone
    uri: file://{tmp_path}/posefleet-results/my-mouse/
  model:
    # image size: about as many pixels as 256x256 in the proportions of the video; frames of 128x96
    imageSize: {{height: 224, width: 288}}
  # losses: temporal and pcaSingleView, the defaults, suit these data
  # resources: the default, one GPU; 1 video of 1 MiB and copies at training size: they fit into the default cache
"""
    )


def test_the_job_of_the_manifest_prepares_its_data(
    folder: ProjectFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder.with_file("config.yaml", CONFIG).with_video("videos/b.mp4")
    _, spec = manifest(capsys, folder.root, "--output", f"file://{tmp_path}/out/")
    context = a_context(tmp_path, **{"model": {}, "losses": {}, **spec})
    prepare(context)
    assert context.progress.conclusion.startswith("20 labelled frames of 2 keypoints, 2 videos, format lightningPose")


def test_uris_and_names_of_the_command_line(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    text, spec = manifest(capsys, folder.root, "--uri", "s3://lab-data/mouse/", "--name", "pilot")
    assert spec["dataset"] == {"uri": "s3://lab-data/mouse/"}
    assert spec["output"] == {"uri": "s3://lab-data/posefleet-results/pilot/"}
    assert "every node must have" not in text
    _, spec = manifest(capsys, folder.root, "--uri", "s3://lab-data/mouse/", "--output", "s3://results/x/")
    assert spec["output"] == {"uri": "s3://results/x/"}
    said = refusal(capsys, folder.root, "--name", "Pilot_1", "--output", "results")
    assert said.startswith("the manifest would not be valid; correct --name, --uri, --output or the config:\n")
    assert "metadata.name: must begin with a letter" in said
    assert "spec.output.uri: must be s3://BUCKET" in said


def test_an_address_of_a_store_that_is_none(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    said = refusal(capsys, folder.root, "--endpoint", "minio.lab:9000/path")
    assert said.startswith("--endpoint or --region.endpoint: must be the store's address without a path or credentials")
    assert "needs storage: add storage.endpoint" in refusal(capsys, "s3://lab-data/mouse/", "--endpoint", "")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://lab/mouse_2/", "mouse-2"),
        ("s3://lab/2024-01 mouse", "job-2024-01-mouse"),
        ("file:///a/" + "x" * 60, "x" * 48),
        ("s3://lab/", "lab"),
    ],
)
def test_the_job_is_named_after_the_folder(uri: str, name: str):
    assert job_name(uri) == name


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (256, 256, (256, 256)),
        (640, 480, (288, 224)),
        (480, 640, (224, 288)),
        (1920, 1080, (352, 192)),
        (4000, 100, (1632, 64)),
        (832, 747, (256, 256)),
    ],
)
def test_the_image_size_has_the_proportions_of_the_frames(width: int, height: int, size: tuple[int, int]):
    assert image_size(width, height) == {"height": size[1], "width": size[0]}


def test_frames_of_several_sizes(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    folder.with_frames(21, size=(480, 640))
    text, spec = manifest(capsys, folder.root)
    assert spec["model"] == {"imageSize": {"height": 224, "width": 288}}
    assert "most frames have 640x480 pixels" in text
    assert spec["losses"] == {"pcaSingleView": {"weight": 0}}
    assert "# temporal alone: frames and videos have 2 sizes, and PCA losses compare poses in pixels" in text


def test_videos_of_another_size_than_the_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = ProjectFolder(tmp_path / "mouse").with_frames(20, size=(90, 128)).with_video("videos/a.mkv")
    text, spec = manifest(capsys, folder.root)
    assert spec["losses"] == {"pcaSingleView": {"weight": 0}}
    assert "# temporal alone: frames and videos have 2 sizes, and PCA losses compare poses in pixels" in text


def test_a_video_that_cannot_be_opened_is_told(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    folder.with_file("videos/b.mp4", b"not a video" * 100)
    assert main(["init", str(folder.root)]) == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: videos/b.mp4 cannot be opened (")
    assert said.endswith(
        "), and the job will be refused; replace it, or leave it out with dataset.videos and predict.videos\n"
    )


def test_few_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = ProjectFolder(tmp_path / "mouse").with_frames(4).with_video()
    text, spec = manifest(capsys, folder.root)
    assert spec["losses"] == {"pcaSingleView": {"weight": 0}}
    assert "# temporal alone: pcaSingleView needs at least 4 frames with all its keypoints labelled" in text


def test_no_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = ProjectFolder(tmp_path / "mouse").with_frames(20)
    text, spec = manifest(capsys, folder.root)
    assert spec["losses"] == {"temporal": {"weight": 0}, "pcaSingleView": {"weight": 0}}
    assert "# there is no video, which the unsupervised losses need" in text


def test_videos_in_other_containers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = ProjectFolder(tmp_path / "mouse").with_frames(20).with_video("videos/a.avi").with_video("videos/b.MOV")
    _, spec = manifest(capsys, folder.root)
    assert spec["dataset"]["videos"] == ["videos/*.MOV", "videos/*.avi"]
    assert spec["predict"] == {"videos": ["videos/*.MOV", "videos/*.avi"]}


def test_large_videos_get_a_larger_cache(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    for name in ("long.mp4", "longer.mp4"):
        with (folder.root / "videos" / name).open("wb") as file:
            file.truncate(12 * 2**30)
    text, spec = manifest(capsys, folder.root)
    assert spec["resources"] == {"cachePerNode": "50Gi"}
    assert "# the default, one GPU; 3 videos of 24.0 GiB and copies at training size: they need this cache" in text


def test_a_deeplabcut_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = ProjectFolder(tmp_path / "reaching").with_frames(20).with_video("videos/a.avi")
    (folder.root / "CollectedData.csv").unlink()
    folder.with_labels("labeled-data/a/CollectedData_me.csv").with_file("config.yaml", "bodyparts: [nose, tail, ear]\n")
    assert main(["init", str(folder.root)]) == 0
    captured = capsys.readouterr()
    assert "20 labelled frames of 2 keypoints, format deepLabCut" in captured.out
    assert captured.err == (
        "warning: labeled-data/*/CollectedData_*.csv: no frame has a usable label of ear, so that it is not trained\n"
    )
    assert set(yaml.safe_load(captured.out)["spec"]["dataset"]) == {"uri"}


def test_a_project_with_a_mistake_is_refused(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    (folder.root / "labeled-data/img03.png").unlink()
    assert refusal(capsys, folder.root).startswith("CollectedData.csv row 7: labeled-data/img03.png does not exist in")
    folder.with_file("labeled-data/img03.png", b"not a picture")
    assert "labeled-data/img03.png cannot be read as a picture; replace it or remove its row" in refusal(
        capsys, folder.root
    )
