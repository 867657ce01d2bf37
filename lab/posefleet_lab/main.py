"""``posefleet-lab``: a Kubernetes cluster with an object store on this computer."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import commands
from .errors import LabError
from .paths import cluster_directory
from .store import VENDORS
from .tools.binaries import TOOLS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    if options.directory is None:
        options.directory = cluster_directory(options.name)
    try:
        return int(options.run(options))
    except LabError as error:
        commands.say(f"posefleet-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="posefleet-lab", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    up = subparsers.add_parser("up", help="start a cluster and leave it running")
    up.set_defaults(run=commands.up)
    up.add_argument(
        "--node",
        choices=["process", "container"],
        default="process",
        help="processes of this machine, or real containers for root (default: process)",
    )
    up.add_argument("--gpus", type=int, default=0, help="pretended nvidia.com/gpu per node (default: 0)")
    up.add_argument("--nodes", type=int, default=1, help="number of process nodes (default: 1)")
    up.add_argument("--cpus", type=int, help="CPUs per node (default: what this machine has)")
    up.add_argument("--monitoring", action="store_true", help="start Prometheus and Alertmanager too")
    up.add_argument("--rules", action="append", default=[], type=Path, metavar="FILE", help="rules for Prometheus")
    up.add_argument(
        "--pod-label", action="append", default=[], metavar="NAME=LABEL", help="series get the pod's LABEL as NAME"
    )
    up.add_argument("--store", choices=[*VENDORS, "none"], default="minio", help="object store (default: minio)")
    up.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="NAME=VENV",
        help="virtual environment that stands for a container image; may be repeated",
    )
    helps = {
        "down": "stop a cluster and delete its data",
        "status": "show what runs",
        "env": "print shell variables: KUBECONFIG and the store's",
    }
    for name, text in helps.items():
        subparsers.add_parser(name, help=text).set_defaults(run=getattr(commands, name))
    clusters = list(subparsers.choices.values())
    image = subparsers.add_parser("image", help="container images without a registry (root, buildah)")
    images = image.add_subparsers(required=True, metavar="COMMAND")
    base = images.add_parser("base", help="make the base image for buildah and print its name")
    base.set_defaults(run=commands.image_base)
    load = images.add_parser("load", help="bring an image of buildah's store onto a container node")
    load.add_argument("image", metavar="IMAGE", help="such as localhost/trainer:1")
    load.set_defaults(run=commands.image_load)
    tool = subparsers.add_parser("tool", help="print the path of a program, built or fetched if it is not there yet")
    tool.set_defaults(run=commands.tool)
    tool.add_argument("program", choices=sorted(TOOLS))
    for subparser in [*clusters, base, load, tool]:
        subparser.add_argument("--name", default="lab", help="name of the cluster (default: lab)")
        subparser.add_argument("--directory", type=Path, help="its directory (default: below the cache directory)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
