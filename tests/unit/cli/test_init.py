"""The manifests that ``posefleet init`` writes."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from posefleet_api.crd import custom_resource_definition
from posefleet_api.job import parse_job
from posefleet_cli.choices import image_size
from posefleet_cli.main import main
from posefleet_cli.manifest_text import job_name
from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.dataset.projects import ProjectFolder, a_context, labels_csv

#: OpenAPI 3.0, which CRDs are written in, has the keywords of JSON Schema's draft 4.
_CRD = jsonschema.Draft4Validator(custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def manifest(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """Run the command, and return the text of the manifest and its spec, which the API accepts."""
    assert main(["init", str(folder), *options]) == 0
    text = capsys.readouterr().out
    content = yaml.safe_load(text)
    parse_job(content)
    _CRD.validate(content)
    return text, content["spec"]


def refusal(capsys: pytest.CaptureFixture[str], folder: Path | str, *options: str) -> str:
    assert main(["init", str(folder), *options]) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "My Mouse").with_frames(20).with_video()


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


CONFIG = """
data:
  image_resize_dims: {height: 384, width: 256}
  data_dir: /home/me/mouse
  csv_file: /home/me/mouse/CollectedData.csv
  keypoint_names: [nose, tail]
  mirrored_column_matches: [[0], [1]]
  columns_for_singleview_pca: [0]
training:
  imgaug: dlc
  train_prob: 0.8
  val_prob: 0.15
  max_epochs: 400
  train_batch_size: 16
  check_val_every_n_epoch: 10
  rng_seed_data_pt: 42
  optimizer_params: {learning_rate: 1e-3}
model:
  losses_to_use: [temporal, pca_singleview, pca_multiview]
  backbone: resnet18
  model_type: heatmap
losses:
  temporal: {log_weight: 5.0, epsilon: 10.0, prob_threshold: 0.05}
  pca_singleview: {log_weight: 6.0, components_to_keep: 0.95, epsilon: null}
  pca_multiview: {log_weight: 6.0, components_to_keep: 1}
"""


def test_a_config_of_lightning_pose_fills_in_the_manifest(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    folder.with_file("config.yaml", CONFIG)
    assert main(["init", str(folder.root)]) == 0
    captured = capsys.readouterr()
    spec = yaml.safe_load(captured.out)["spec"]
    del spec["dataset"]["uri"], spec["output"]
    # exp(-5) / 0.0003, exp(-6) / 0.001, exp(-6) / 0.003
    assert spec == {
        "dataset": {"split": {"validationPercent": 15, "testPercent": 5}},
        "model": {"backbone": "resnet18", "imageSize": {"height": 384, "width": 256}},
        "losses": {
            "temporal": {"weight": 22.0, "epsilonPixels": 10},
            "pcaSingleView": {"weight": 2.5, "explainedVariancePercent": 95, "keypoints": ["nose"]},
            "pcaMultiView": {"weight": 0.83, "components": 1, "views": [["nose"], ["tail"]]},
        },
        "training": {"epochs": 400, "validateEveryEpochs": 10, "seed": 42},
    }
    assert "taken from config.yaml: losses.temporal.log_weight as losses.temporal.weight\n" in captured.err
    assert captured.err.endswith(
        "without a counterpart in config.yaml: training.imgaug, model.model_type, losses.temporal.prob_threshold\n"
    )
    parse_job(yaml.safe_load(captured.out))


def test_without_losses_to_use_training_is_supervised(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    folder.with_file("config.yaml", CONFIG.replace("[temporal, pca_singleview, pca_multiview]", "[]"))
    text, spec = manifest(capsys, folder.root)
    assert spec["losses"] == {"temporal": {"weight": 0}, "pcaSingleView": {"weight": 0}}
    assert "# losses of config.yaml: none" in text


def test_keypoints_that_are_never_labelled_are_left_out_of_losses(
    folder: ProjectFolder, capsys: pytest.CaptureFixture[str]
):
    rows = {path: [*points, None] for path, points in folder.rows.items()}
    folder.with_labels(text=labels_csv(rows, ("nose", "tail", "ear")))
    config = CONFIG.replace("[nose, tail]", "[nose, tail, ear]").replace("[[0], [1]]", "[[0, 2], [1, 0]]")
    folder.with_file(
        "config.yaml", config.replace("columns_for_singleview_pca: [0]", "columns_for_singleview_pca: [2, 1]")
    )
    _, spec = manifest(capsys, folder.root)
    assert spec["losses"]["pcaSingleView"]["keypoints"] == ["tail"]
    assert spec["losses"]["pcaMultiView"]["views"] == [["nose"], ["tail"]]


def test_a_loss_of_the_config_that_does_not_suit_the_data(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    folder.with_file("config.yaml", CONFIG).with_frames(1, size=(90, 50))
    text, spec = manifest(capsys, folder.root)
    assert set(spec["losses"]) == {"temporal", "pcaSingleView"}
    assert spec["losses"]["pcaSingleView"] == {"weight": 0}
    assert "; without pcaSingleView: frames and videos have 2 sizes" in text
    assert "; without pcaMultiView: frames and videos have 2 sizes" in text


def test_a_config_without_views(folder: ProjectFolder, capsys: pytest.CaptureFixture[str]):
    folder.with_file("config.yaml", CONFIG.replace("[[0], [1]]", "null"))
    text, spec = manifest(capsys, folder.root)
    assert set(spec["losses"]) == {"temporal", "pcaSingleView"}
    assert "; without pcaMultiView: data.mirrored_column_matches lists no keypoints that all views have" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "[nose, tail]",
            "[paw, wing]",
            "config.yaml has other data.keypoint_names (paw, wing, …) than Coll",
        ),
        (
            "pca: [0]",
            "pca: [7]",
            "config.yaml names columns [7], and the labels have numbers 0 to 1; it belongs to",
        ),
        ("max_epochs: 400", "max_epochs: many", "config.yaml: training.max_epochs is 'many'; correct it"),
        (
            "  csv_file",
            "  view_names: [top, side]\n  csv_file",
            "config.yaml names several views in data.view",
        ),
        ("height: 384", "height: 100", "height and width must be multiples of 32"),
        ("training:", "training: [", "config.yaml is not YAML ("),
    ],
)
def test_a_config_that_is_wrong_or_of_another_project(
    old: str, new: str, words: str, folder: ProjectFolder, capsys: pytest.CaptureFixture[str]
):
    folder.with_file("config.yaml", CONFIG.replace(old, new, 1))
    assert words in refusal(capsys, folder.root)


def test_a_config_elsewhere(folder: ProjectFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "mine.yaml"
    assert refusal(capsys, folder.root, "--config", str(config)) == f"cannot read {config}: No such file or directory\n"
    config.write_text("bodyparts: [nose]\n")
    assert "is not a config.yaml of Lightning Pose; leave out --config" in refusal(
        capsys, folder.root, "--config", str(config)
    )
    config.write_text(CONFIG)
    assert manifest(capsys, folder.root, "--config", str(config))[1]["training"]["epochs"] == 400
