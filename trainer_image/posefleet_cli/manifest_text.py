"""The text of a manifest: YAML with a comment line for each choice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import yaml

from posefleet_api.constants import MAX_JOB_NAME_LENGTH
from posefleet_api.job import InvalidManifest, parse_job
from posefleet_cli.choices import Choice
from posefleet_trainer.errors import InvalidInput

_SECTIONS = ("dataset", "output", "model", "losses", "training", "predict", "resources")


@dataclass(frozen=True)
class Target:
    """Where the job finds the project and leaves its results. Empty texts stand for defaults."""

    uri: str
    output: str
    name: str


def manifest_text(target: Target, choices: Sequence[Choice]) -> str:
    """Return the manifest as YAML.

    Raises:
        InvalidInput: a URI or the name that was given on the command line is not valid.
    """
    name = target.name or job_name(target.uri)
    lines = [
        "apiVersion: posefleet.io/v1alpha1",
        "kind: PoseTrainingJob",
        f"metadata: {{name: {name}}}",
        "spec:",
    ]
    choices = _with_places(target, name, choices)
    for section in _SECTIONS:
        lines += _section(section, [choice for choice in choices if choice.section == section])
    text = "\n".join(lines) + "\n"
    try:
        parse_job(yaml.safe_load(text))
    except InvalidManifest as error:
        raise InvalidInput(
            f"the manifest would not be valid; correct --name, --uri, --output or the config:\n{error}"
        ) from None
    return text


def job_name(uri: str) -> str:
    """Return the name of the folder as the name of a job."""
    words = re.sub("[^a-z0-9]+", "-", PurePosixPath(unquote(uri.partition("://")[2])).name.lower()).strip("-")
    named = words if words[:1].isalpha() else f"job-{words}"
    return named[:MAX_JOB_NAME_LENGTH].strip("-")


def _with_places(target: Target, name: str, choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices with those of the URIs, which come first in their sections."""
    is_file = target.uri.startswith("file:")
    where = "every node must have this folder; to use a store, upload it and name its s3:// URI" if is_file else ""
    output = target.output or _beside(target.uri, name)
    return [
        Choice("dataset", where, {"uri": target.uri}),
        *choices,
        Choice("output", "a folder of this job alone", {"uri": output}),
    ]


def _beside(uri: str, name: str) -> str:
    """Return a folder for results: in the bucket of the project, or beside its folder."""
    scheme, _, path = uri.partition("://")
    root = path.partition("/")[0] if scheme == "s3" else str(PurePosixPath(path).parent).rstrip("/")
    return f"{scheme}://{root}/posefleet-results/{name}/"


def _section(name: str, choices: Sequence[Choice]) -> list[str]:
    """Return the lines of a part of the spec. A choice of the default is a comment alone."""
    if not any(choice.fields for choice in choices):
        return [f"  # {name}: {choice.reason}" for choice in choices]
    lines, indent = [f"  {name}:"], "    "
    for choice in choices:
        if choice.reason:
            lines.append(f"{indent}# {choice.reason}")
        lines += [f"{indent}{field}: {_flow(value)}" for field, value in choice.fields.items()]
    return lines


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, str):
        return str(yaml.safe_dump(value, width=10**6)).splitlines()[0]
    return str(yaml.safe_dump([value], default_flow_style=True, width=10**6, sort_keys=False)).strip()[1:-1]
