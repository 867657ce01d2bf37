"""The page for people who come from other tools says what the code does."""

import re
from pathlib import Path
from typing import Any

import yaml

from posefleet_api.job import parse_job
from posefleet_cli.lightning_pose_config import parse_config

PAGE = (Path(__file__).parents[3] / "docs/coming-from.md").read_text()
#: One value for each key that the page says is taken.
CONFIG: dict[str, Any] = {
    "data": {
        "csv_file": "Labels.csv",
        "image_resize_dims": {"height": 128, "width": 128},
        "columns_for_singleview_pca": [0, 1],
        "mirrored_column_matches": [[0], [1]],
    },
    "training": {
        "train_prob": 0.9,
        "val_prob": 0.05,
        "max_epochs": 200,
        "train_batch_size": 8,
        "check_val_every_n_epoch": 10,
        "rng_seed_data_pt": 1,
        "optimizer_params": {"learning_rate": 0.01},
    },
    "dali": {"base": {"train": {"sequence_length": 8}}},
    "model": {"backbone": "resnet18", "losses_to_use": ["temporal", "pca_singleview", "pca_multiview"]},
    "losses": {
        "temporal": {"log_weight": 11.0, "epsilon": 5},
        "pca_singleview": {"log_weight": 11.0, "components_to_keep": 0.9},
        "pca_multiview": {"log_weight": 11.0, "components_to_keep": 2},
    },
}


def test_every_key_that_the_page_says_is_taken_has_an_effect():
    taken = parse_config(yaml.safe_dump(CONFIG).encode(), "config.yaml")
    assert taken is not None
    table = PAGE[PAGE.index("| Key of `config.yaml`") : PAGE.index("Lightning Pose weighs a loss by")]
    fields = {"dataset.labels": taken.labels, **taken.spec, "losses.*.weight": taken.losses["temporal"]["weight"]}
    for loss, values in taken.losses.items():
        fields |= {f"losses.{loss}.{name}": value for name, value in values.items()}
    fields |= {"losses.pcaSingleView.keypoints": [0, 1], "losses.pcaMultiView.views": [[0], [1]]}
    assert taken.columns == {"keypoints": [0, 1], "views": [[0], [1]]}
    assert taken.without_counterpart == []
    named = [
        cell
        for row in table.strip().splitlines()[2:]
        for cell in re.findall(r"`([a-zA-Z.*]+\.[a-zA-Z.*]+)`", row.split("|")[2])
    ]
    assert len(named) > 15
    assert [name for name in named if name not in fields and name != "losses.pcaSingleView.components"] == []


def test_the_weights_of_the_page_are_those_of_the_default_of_lightning_pose():
    taken = parse_config(yaml.safe_dump(CONFIG).encode(), "config.yaml")
    assert taken is not None
    weights = {loss: values["weight"] for loss, values in taken.losses.items()}
    text = " ".join(PAGE.split())
    assert f"this is {weights['temporal']} for `temporal` and {weights['pcaSingleView']} for `pcaSingleView`" in text


def test_the_first_jobs_are_jobs():
    manifests = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert [parse_job(yaml.safe_load(text)).metadata.name for text in manifests] == ["mirror-mouse", "openfield"]
