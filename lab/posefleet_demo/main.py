"""The demo: its command line and its steps, from the cluster to the copied results."""

import argparse
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from posefleet_demo.installation import TRAINER_IMAGE, install, start_operator
from posefleet_demo.kubectl import Kubectl, KubectlRefused
from posefleet_demo.project import NotAProject, check_project, keypoints_of, synthesize, upload_folder, views_by_name
from posefleet_demo.results import download_results, truth_errors
from posefleet_demo.terminal import console, step, wait_for_ctrl_c, watch_job
from posefleet_lab.cluster import Cluster
from posefleet_lab.errors import LabError
from posefleet_lab.ports import free_port
from posefleet_lab.tools import binaries

_REPOSITORY = Path(__file__).resolve().parents[2]
_EXAMPLES = _REPOSITORY / "examples"
_DATA_BUCKET, _RESULTS_BUCKET = "lab-data", "lab-results"
_NAMESPACE = "lab"
#: Largest acceptable median error on the synthetic animal, whose frames have 256x256 pixels; about 1.7 is usual.
_PIXEL_ERROR_AT_MOST = 3.0
_JOB_SECONDS = 6 * 3600.0
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the demo with the options of the command line, and exit with 1 if it fails."""
    arguments = _parser().parse_args()
    for number in _INTERRUPTIONS:
        signal.signal(number, _interrupt)
    try:
        succeeded = run_demo(arguments.project, arguments.manifest, keep=arguments.keep)
    except (LabError, NotAProject, KubectlRefused, TimeoutError) as error:
        console.print(f"[red]✗[/] {error}", markup=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        sys.exit(130)
    sys.exit(0 if succeeded else 1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Stop the demo after Ctrl-C, ``kill`` or the end of the terminal, and ignore further signals meanwhile."""
    del number, frame
    for each in _INTERRUPTIONS:
        signal.signal(each, lambda *_: None)
    raise KeyboardInterrupt


def run_demo(project: Path | None, manifest_file: Path | None, *, keep: bool) -> bool:
    """Start a cluster, train on it, and copy the results.

    Args:
        project: folder of a Lightning Pose project, or None for a synthetic one.
        manifest_file: manifest of the job, or None for the example that fits the project.
        keep: leave everything running until Ctrl-C.

    Returns:
        whether the job succeeded and, on a synthetic project, the model is accurate.
    """
    if project is not None:
        check_project(project)
    manifest = _manifest(project, manifest_file)
    directory = Path(tempfile.gettempdir(), f"posefleet-demo-{secrets.token_hex(4)}")
    with Cluster(
        directory, name=directory.name, cpus=_CPUS, images=_images(), disposable=True, report=_report
    ) as cluster:
        return _on_cluster(cluster, project, manifest, keep=keep)


def _manifest(project: Path | None, chosen: Path | None) -> dict[str, Any]:
    """Return the chosen manifest, or else the example's, with multi-view PCA if the keypoints' names contain views."""
    example = _EXAMPLES / ("demo.yaml" if project is None else "project.yaml")
    manifest: dict[str, Any] = yaml.safe_load((chosen or example).read_text())
    if project is not None and chosen is None:
        labels = project / manifest["spec"]["dataset"].get("labels", "CollectedData.csv")
        if views := views_by_name(keypoints_of(labels)):
            manifest["spec"]["losses"] = {"pcaMultiView": {"views": views}}
            console.print(f"multi-view PCA is on: {len(views[0])} body parts are seen in {len(views)} views")
    return manifest


#: CPUs that the node offers. Pods request whole CPUs, and on a small machine two ranks and the cluster share them.
_CPUS = 8


def _images() -> dict[str, Path]:
    return {TRAINER_IMAGE: Path(sys.prefix)}


def _report(line: str) -> None:
    console.print(f"[green]✓[/] {line}")


def _on_cluster(cluster: Cluster, project: Path | None, manifest: dict[str, Any], *, keep: bool) -> bool:
    kubectl = Kubectl(binaries.kubectl(), cluster.kubeconfig, _NAMESPACE)
    with step("install the CRD, the operator's rights and the store's Secret"):
        install(kubectl, cluster)
    metrics_port = free_port()
    operator = start_operator(cluster, metrics_port)
    folder = _upload(cluster, project)
    name = manifest["metadata"]["name"]
    manifest["spec"]["storage"]["endpoint"] = cluster.store.endpoint
    with step(f"kubectl apply PoseTrainingJob {name}"):
        kubectl.apply(manifest)
    job = watch_job(kubectl, name, _JOB_SECONDS, operator.require_alive)
    results = _copy_results(cluster, name)
    errors = truth_errors(folder / "truth", results)
    _print_summary(job, errors, results)
    if keep:
        wait_for_ctrl_c(cluster, kubectl, metrics_port)
    return bool(job["status"]["phase"] == "Succeeded") and (project is not None or _is_accurate(errors))


def _upload(cluster: Cluster, project: Path | None) -> Path:
    folder = project or cluster.directory / "project"
    if project is None:
        with step("draw a synthetic animal: videos, labelled frames, and the true pose in every frame"):
            synthesize(cluster, folder, seed=0)
    with step(f"upload {folder.name} to the object store"):
        for bucket in (_DATA_BUCKET, _RESULTS_BUCKET):
            cluster.store.create_bucket(bucket)
        upload_folder(cluster.store.client(), folder, _DATA_BUCKET)
    return folder


def _is_accurate(errors: Mapping[str, float]) -> bool:
    """Return whether the model is as accurate on the synthetic animal as expected, and print a line if it is not."""
    learnt = bool(errors) and max(errors.values()) <= _PIXEL_ERROR_AT_MOST
    if not learnt:
        console.print(f"[red]✗[/] the median error should be at most {_PIXEL_ERROR_AT_MOST} px", markup=True)
    return learnt


def _copy_results(cluster: Cluster, name: str) -> Path:
    target = _REPOSITORY / "demo-results" / f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with step("copy the results"):
        download_results(cluster.store.client(), _RESULTS_BUCKET, f"{name}/", target)
    return target


def _print_summary(job: dict[str, Any], errors: Mapping[str, float], results: Path) -> None:
    status = job["status"]
    console.print(f"\nphase        {status['phase']}")
    if status["phase"] == "Failed":
        reasons = [c["message"] for c in status.get("conditions", ()) if c["type"] == "Failed"]
        console.print("reason       " + "; ".join(reasons), markup=False)
        return
    for name, error in errors.items():
        console.print(f"pixel error  median {error:.2f} px over all frames of {name}")
    console.print(f"report       {results / 'report' / 'index.html'}")
    console.print(f"predictions  {results / 'predictions'}")
    for video in sorted(results.glob("labelled_videos/*.mp4")):
        console.print(f"video        {video}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--project", type=Path, help="a Lightning Pose project folder instead of a synthetic one")
    parser.add_argument("--manifest", type=Path, help="another manifest than examples/demo.yaml or project.yaml")
    parser.add_argument("--keep", action="store_true", help="leave everything up until Ctrl-C")
    return parser
