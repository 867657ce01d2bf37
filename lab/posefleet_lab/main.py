"""``posefleet-lab``: a Kubernetes cluster with an object store on this computer."""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from .cluster import Cluster
from .container_node import has_container_node, load_image
from .errors import LabError, StateError
from .images import base_image
from .kueue import KueueOptions
from .monitoring import MonitoringOptions
from .object_stores import VENDORS
from .paths import cluster_directory
from .system_programs import IMAGE_TOOLS, require
from .teardown import ClusterState, remove_data, shut_down
from .tools.binaries import TOOLS


def say(line: str, file: TextIO | None = None) -> None:
    """Print a line and flush it, so that it appears at once even in a pipe."""
    print(line, file=file or sys.stdout, flush=True)


def up(options: argparse.Namespace) -> int:
    """Start a cluster and leave it running."""
    begun = time.monotonic()
    cluster = Cluster(
        options.directory,
        name=options.name,
        node=options.node,
        nodes=options.nodes,
        gpus=options.gpus,
        cpus=options.cpus,
        images=parse_images(options.image),
        store=None if options.store == "none" else options.store,
        monitoring=_monitoring(options),
        kueue=_kueue(options),
        detached=True,
        report=say,
    )
    cluster.start()
    say(f"cluster {options.name} is up after {time.monotonic() - begun:.1f} s")
    say(f'look around with: eval "$(posefleet-lab env --name {options.name})"; kubectl get nodes')
    return 0


def down(options: argparse.Namespace) -> int:
    """Stop a cluster and delete its data."""
    if shut_down(options.directory):
        say(f"cluster {options.name} is down")
    else:
        say(f"cluster {options.name} was not up")
    remove_data(options.directory)
    return 0


def status(options: argparse.Namespace) -> int:
    """Print which programs of the cluster run, and return 1 if one of them has ended."""
    state = _state(options)
    running, processes = state.running(), state.processes()
    for name, alive in running.items():
        pid = f"pid {processes[name].pid}" if name in processes else ""
        say(f"{name:20} {'running' if alive else 'ended':8} {pid}")
    say(f"{'kubeconfig':20} {state.kubeconfig}")
    if state.store:
        say(f"{'store':20} {state.store['AWS_ENDPOINT_URL']}")
    for name, page in state.pages.items():
        say(f"{name:20} {page}")
    return 0 if all(running.values()) else 1


def env(options: argparse.Namespace) -> int:
    """Print shell commands that export the variables by which kubectl and S3 clients find the cluster."""
    state = _state(options)
    for name, value in {"KUBECONFIG": state.kubeconfig, **state.store}.items():
        say(f"export {name}={shlex.quote(value)}")
    return 0


def image_base(_options: argparse.Namespace) -> int:
    """Build the base image into buildah's store unless it is there, and print its name."""
    require(IMAGE_TOOLS)
    say(base_image(lambda line: say(line, file=sys.stderr)).into_buildah())
    return 0


def image_load(options: argparse.Namespace) -> int:
    """Import an image of buildah's store into the cluster's container node."""
    require(IMAGE_TOOLS)
    state = _state(options)
    if not has_container_node(options.directory):
        raise StateError(f"cluster {state.name!r} has process nodes, which take no images")
    load_image(options.image)
    say(f"{options.image} is on the node of cluster {state.name}")
    return 0


def tool(options: argparse.Namespace) -> int:
    """Print the path of a program, which is built or downloaded first if the cache does not have it."""
    say(str(TOOLS[options.program](lambda line: say(line, file=sys.stderr))))
    return 0


def parse_images(entries: list[str]) -> dict[str, Path]:
    """Parse ``NAME=VENV`` options into image names and directories.

    Raises:
        LabError: an entry has no ``=``, or its directory has no folder ``bin``.
    """
    images: dict[str, Path] = {}
    for entry in entries:
        name, equals, directory = entry.partition("=")
        environment = Path(directory).absolute()
        if not equals or not (environment / "bin").is_dir():
            raise LabError(f"--image {entry}: expected NAME=VENV with a directory that has a bin/ folder")
        images[name] = environment
    return images


def _monitoring(options: argparse.Namespace) -> MonitoringOptions | None:
    if not options.monitoring:
        return None
    labels = dict(entry.partition("=")[::2] for entry in options.pod_label)
    return MonitoringOptions([file.absolute() for file in options.rules], labels)


def _kueue(options: argparse.Namespace) -> KueueOptions | None:
    if not options.kueue:
        return None
    return KueueOptions(dict.fromkeys(options.kueue_feature, True))


def _state(options: argparse.Namespace) -> ClusterState:
    state = ClusterState.read(options.directory)
    if state is None:
        raise StateError(f"cluster {options.name!r} is not up; start it with `posefleet-lab up --name {options.name}`")
    return state


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments`` (default: ``sys.argv``) and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.directory is None:
        options.directory = cluster_directory(options.name)
    try:
        return int(options.run(options))
    except LabError as error:
        say(f"posefleet-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="posefleet-lab", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    up_parser = subparsers.add_parser("up", help="start a cluster and leave it running")
    up_parser.set_defaults(run=up)
    _add_cluster_options(up_parser)
    subparsers.add_parser("down", help="stop a cluster and delete its data").set_defaults(run=down)
    subparsers.add_parser("status", help="show what runs").set_defaults(run=status)
    subparsers.add_parser("env", help="print shell variables: KUBECONFIG and the store's").set_defaults(run=env)
    tool_parser = subparsers.add_parser(
        "tool", help="print the path of a program, built or fetched if it is not there yet"
    )
    tool_parser.set_defaults(run=tool)
    tool_parser.add_argument("program", choices=sorted(TOOLS))
    with_name = [*subparsers.choices.values()]
    image_parser = subparsers.add_parser("image", help="container images without a registry (root, buildah)")
    image_commands = image_parser.add_subparsers(required=True, metavar="COMMAND")
    base_parser = image_commands.add_parser("base", help="make the base image for buildah and print its name")
    base_parser.set_defaults(run=image_base)
    load_parser = image_commands.add_parser("load", help="bring an image of buildah's store onto a container node")
    load_parser.set_defaults(run=image_load)
    load_parser.add_argument("image", metavar="IMAGE", help="such as localhost/trainer:1")
    for subparser in [*with_name, base_parser, load_parser]:
        subparser.add_argument("--name", default="lab", help="name of the cluster (default: lab)")
        subparser.add_argument("--directory", type=Path, help="its directory (default: below the cache directory)")
    return parser


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--node",
        choices=["process", "container"],
        default="process",
        help="processes of this machine, or real containers for root (default: process)",
    )
    parser.add_argument("--gpus", type=int, default=0, help="pretended nvidia.com/gpu per node (default: 0)")
    parser.add_argument("--nodes", type=int, default=1, help="number of process nodes (default: 1)")
    parser.add_argument("--cpus", type=int, help="CPUs per node (default: what this machine has)")
    parser.add_argument("--monitoring", action="store_true", help="start Prometheus and Alertmanager too")
    parser.add_argument("--kueue", action="store_true", help="start Kueue too, which is built once (up to 20 minutes)")
    parser.add_argument(
        "--kueue-feature",
        action="append",
        default=[],
        metavar="NAME",
        help="turn a feature of Kueue on, such as PriorityBoost",
    )
    parser.add_argument("--rules", action="append", default=[], type=Path, metavar="FILE", help="rules for Prometheus")
    parser.add_argument(
        "--pod-label", action="append", default=[], metavar="NAME=LABEL", help="series get the pod's LABEL as NAME"
    )
    parser.add_argument("--store", choices=[*VENDORS, "none"], default="minio", help="object store (default: minio)")
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="NAME=VENV",
        help="virtual environment that stands for a container image; may be repeated",
    )


if __name__ == "__main__":
    sys.exit(main())
