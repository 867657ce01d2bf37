"""The commands of ``posefleet-lab``; each takes the parsed options and returns an exit code."""

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import TextIO

from .cluster import Cluster
from .container_node import has_container_node, load_image
from .errors import LabError, StateError
from .images import base_image
from .monitoring import MonitoringOptions
from .requirements import IMAGE_TOOLS, require
from .shutdown import remove_data, shut_down
from .state import ClusterState
from .tools.binaries import TOOLS


def say(line: str, file: TextIO | None = None) -> None:
    """Print a line at once, also into a pipe."""
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
    """Print what runs; exit code 1 if anything does not."""
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
    """Print the variables with which kubectl and S3 clients find the cluster."""
    state = _state(options)
    for name, value in {"KUBECONFIG": state.kubeconfig, **state.store}.items():
        say(f"export {name}={shlex.quote(value)}")
    return 0


def image_base(_options: argparse.Namespace) -> int:
    """Make sure that buildah's store has the base image, and print its name."""
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
    """Print where a program is, after it was built or fetched if need be."""
    say(str(TOOLS[options.program](lambda line: say(line, file=sys.stderr))))
    return 0


def parse_images(entries: list[str]) -> dict[str, Path]:
    """Read ``NAME=VENV`` options. Raises LabError."""
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


def _state(options: argparse.Namespace) -> ClusterState:
    state = ClusterState.read(options.directory)
    if state is None:
        raise StateError(f"cluster {options.name!r} is not up; start it with `posefleet-lab up --name {options.name}`")
    return state
