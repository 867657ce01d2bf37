"""Running the command, and a config of Lightning Pose."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from posefleet_api.crd import custom_resource_definition
from posefleet_api.job import parse_job
from posefleet_cli.main import main

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
