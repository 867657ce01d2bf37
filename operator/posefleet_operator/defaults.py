"""What a cluster's posefleet was installed with: defaults for whatever a job's manifest leaves open."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import StringConstraints, ValidationError

from posefleet_api.base import ApiModel, Matches
from posefleet_api.dataset import Storage
from posefleet_api.mistakes import mistakes
from posefleet_api.resources import PodTemplate, Resources

_LabelKey = Annotated[
    str,
    StringConstraints(max_length=316),
    Matches(
        r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
        "must be the key of a node label such as nvidia.com/gpu.product",
    ),
]


class InvalidDefaults(ValueError):
    """A file of defaults that cannot be used; the text names it."""


class TrainerDefaults(ApiModel):
    """Defaults for trainer pods. Only the fields that the file names are defaults; the others are the code's."""

    storage: Storage | None = None
    """The object store of jobs that name none."""
    resources: Resources = Resources()
    """For each field of spec.resources that a job does not give."""
    pod_template: PodTemplate = PodTemplate()
    """What every trainer pod gets beside its job's own spec.podTemplate."""
    gpu_model_label: _LabelKey = "nvidia.com/gpu.product"
    """The node label that spec.resources.gpuModel is a value of."""


def read_defaults(path: Path) -> TrainerDefaults:
    """The defaults in a YAML file.

    Raises:
        InvalidDefaults: with a sentence for every mistake, each of which names the file and the key.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidDefaults(f"cannot read the trainer defaults {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidDefaults(f"the trainer defaults {path} are no YAML: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise InvalidDefaults(f"the trainer defaults {path} must be a mapping, not {type(content).__name__}")
    try:
        return TrainerDefaults.model_validate(content or {})
    except ValidationError as error:
        lines = mistakes(error, "no such key").splitlines()
        raise InvalidDefaults("\n".join(f"trainer defaults {path}: {line}" for line in lines)) from None
