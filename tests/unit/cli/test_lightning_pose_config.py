"""What a manifest takes from a ``config.yaml`` of Lightning Pose."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from posefleet_api.job import parse_job
from posefleet_cli.main import main
from unit.cli.command import CONFIG, manifest, refusal
from unit.trainer.dataset.projects import ProjectFolder, labels_csv


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
        ("pca: [0]", "pca: [-1]", "config.yaml names columns [-1], and the labels have numbers 0 to 1; it belongs to"),
        ("train_prob: 0.8", "train_prob: none", "config.yaml: training.train_prob is 'none'; correct it"),
        (
            "val_prob: 0.15",
            "val_prob: 1.5",
            "config.yaml: training.train_prob and val_prob are 0.8 and 1.5; correct them",
        ),
        ("learning_rate: 1e-3", "learning_rate: .inf", "training.optimizer_params.learning_rate is 'inf'; correct it"),
        ("height: 384", "height: 100", "height and width must be multiples of 32"),
        ("training:", "training: [", "config.yaml is not YAML ("),
    ],
)
def test_a_config_that_is_wrong_or_of_another_project(
    old: str, new: str, words: str, folder: ProjectFolder, capsys: pytest.CaptureFixture[str]
):
    folder.with_file("config.yaml", CONFIG.replace(old, new, 1))
    assert words in refusal(capsys, folder.root)


junk = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(-1, 2), max_size=2)
)


def places(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all values of a config."""
    found = []
    for key, value in tree.items():
        found += [(*path, key), *(places(value, (*path, key)) if isinstance(value, dict) else [])]
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(places(yaml.safe_load(CONFIG))), value=junk)
@example(place=("losses", "temporal", "log_weight"), value=-1e6)
@example(place=("data", "mirrored_column_matches"), value=[0, 1])
@example(place=("data", "image_resize_dims", "height"), value=float("inf"))
@example(place=("model", "losses_to_use"), value="temporal")
@example(place=("training", "val_prob"), value=1.7e306)
@example(place=("training", "train_prob"), value=-1.7e306)
def test_any_value_of_a_config_is_taken_or_refused(place: tuple[str, ...], value: Any, folder: ProjectFolder):
    config = yaml.safe_load(CONFIG)
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    folder.with_file("config.yaml", yaml.safe_dump(config, allow_unicode=True))
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as said:
        code = main(["init", str(folder.root)])
    assert (code == 0) == bool(out.getvalue())
    assert code == 0 or said.getvalue()


def test_a_config_elsewhere(folder: ProjectFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "mine.yaml"
    assert refusal(capsys, folder.root, "--config", str(config)) == f"cannot read {config}: No such file or directory\n"
    config.write_text("bodyparts: [nose]\n")
    assert "is not a config.yaml of Lightning Pose; leave out --config" in refusal(
        capsys, folder.root, "--config", str(config)
    )
    config.write_text(CONFIG)
    assert manifest(capsys, folder.root, "--config", str(config))[1]["training"]["epochs"] == 400
