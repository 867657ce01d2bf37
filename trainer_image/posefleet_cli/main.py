"""The command ``posefleet init``, which inspects a project and prints the shortest manifest that is right for it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from posefleet_api.base import validation_messages
from posefleet_api.constants import ENV_CA_FILE
from posefleet_api.dataset import Storage
from posefleet_cli.choices import choose
from posefleet_cli.inspection import inspect_project, read_config
from posefleet_cli.lightning_pose_config import TakenConfig
from posefleet_cli.manifest_text import Target, manifest_text
from posefleet_trainer.errors import InvalidInput, TrainerError
from posefleet_trainer.store.open import open_store

_PATIENCE_SECONDS = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. The manifest goes to standard output, everything else to the other."""
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(_init(options))
    except TrainerError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


def _init(options: argparse.Namespace) -> str:
    uri = _uri(options.project)
    storage = _storage(options.endpoint, options.region)
    if "AWS_CA_BUNDLE" in os.environ:
        os.environ.setdefault(ENV_CA_FILE, os.environ["AWS_CA_BUNDLE"])
    store = open_store(uri, storage, patience_seconds=_PATIENCE_SECONDS)
    config = read_config(store, options.config)
    findings = inspect_project(store, config)
    choices = choose(findings, config)
    target = Target(uri=options.uri or uri, output=options.output, name=options.name)
    _tell(findings.warnings, config)
    return manifest_text(target, choices)


def _storage(endpoint: str, region: str) -> Storage | None:
    try:
        return Storage(endpoint=endpoint, region=region) if endpoint else None
    except ValidationError as error:
        raise InvalidInput(validation_messages(error, "no such field", "--endpoint or --region")) from None


def _tell(warnings: Sequence[str], config: TakenConfig | None) -> None:
    """Write warnings, and what was taken from a Lightning Pose config.yaml and what was not, to standard error."""
    lines = [f"warning: {warning}" for warning in warnings]
    if config is not None:
        lines += [f"taken from {config.name}: {line}" for line in config.taken]
        if config.without_counterpart:
            lines.append(f"without a counterpart in {config.name}: {', '.join(config.without_counterpart)}")
    sys.stderr.write("".join(f"{line}\n" for line in lines))


def _uri(project: str) -> str:
    if "://" in project:
        return project if project.endswith("/") else f"{project}/"
    return f"file://{quote(str(Path(project).resolve()))}/"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="posefleet", description="Write the manifest of a project.")
    commands = parser.add_subparsers(required=True)
    init = commands.add_parser("init", help="inspect a project and print its manifest")
    init.add_argument("project", help="the project: a folder, or s3://BUCKET/PREFIX/")
    init.add_argument("--uri", default="", help="the project as the cluster sees it, if that is another place")
    init.add_argument("--output", default="", help="the URI for the results (default: beside the project)")
    init.add_argument("--name", default="", help="the name of the job (default: that of the folder)")
    init.add_argument("--config", type=Path, help="a Lightning Pose config.yaml elsewhere than in the project")
    init.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL", ""), help="the store's address")
    init.add_argument("--region", default=os.environ.get("AWS_DEFAULT_REGION", ""), help="the store's region")
    return parser


if __name__ == "__main__":
    sys.exit(main())
