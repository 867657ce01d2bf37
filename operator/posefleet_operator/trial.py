"""The command of ``helm test``: create a job, wait until it has finished, report how it went, and delete it.

It needs the rights to get, create and delete PoseTrainingJobs in one namespace.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from posefleet_operator.cluster.client import TRAINING_JOB, ApiError, Cluster
from posefleet_operator.cluster.objects import Manifest

_POLL_SECONDS = 1.0
_FINISHED = {"Succeeded", "Failed"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return 0 if the job succeeded and 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m posefleet_operator.trial", description=__doc__)
    parser.add_argument("manifest", type=Path, help="a PoseTrainingJob with name and namespace")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the job may take (default: 600)")
    parser.add_argument(
        "--kubeconfig", default="", help="empty for the pod's service account or the file that kubectl would use"
    )
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(_try(yaml.safe_load(options.manifest.read_text()), options.seconds, options.kubeconfig))
    except ApiError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1


async def _try(manifest: Manifest, seconds: float, kubeconfig: str) -> int:
    cluster = await Cluster.connect(kubeconfig)
    try:
        await _delete(cluster, manifest)
        await cluster.create(TRAINING_JOB, manifest)
        try:
            return _verdict(await _finished(cluster, manifest, time.monotonic() + seconds), seconds)
        finally:
            await _delete(cluster, manifest)
    finally:
        await cluster.close()


async def _finished(cluster: Cluster, manifest: Manifest, deadline: float) -> dict[str, Any]:
    """Return the status when the job has finished, or at ``deadline``, and print each change on the way."""
    printed = ""
    while True:
        status: dict[str, Any] = (await _get(cluster, manifest) or {}).get("status", {})
        progress = status.get("progress") or {}
        line = " ".join(str(word) for word in (status.get("phase", "Pending"), progress.get("stage", "")) if word)
        if line != printed:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            printed = line
        if status.get("phase") in _FINISHED or time.monotonic() > deadline:
            return status
        await asyncio.sleep(_POLL_SECONDS)


def _verdict(status: dict[str, Any], seconds: float) -> int:
    if status.get("phase") == "Succeeded":
        return 0
    if status.get("phase") not in _FINISHED:
        sys.stderr.write(f"the job had not ended after {seconds:.0f} s\n")
    for condition in status.get("conditions", ()):
        sys.stderr.write(f"{condition['type']} {condition['status']} {condition['reason']}: {condition['message']}\n")
    if not status:
        sys.stderr.write("the job has no status: does the operator run, and does it serve this namespace?\n")
    return 1


async def _delete(cluster: Cluster, manifest: Manifest) -> None:
    """Delete the job, and wait until it is gone."""
    metadata = manifest["metadata"]
    try:
        uid = (await cluster.get(TRAINING_JOB, metadata["namespace"], metadata["name"]))["metadata"]["uid"]
        await cluster.delete(TRAINING_JOB, metadata["namespace"], metadata["name"], uid, foreground=True)
    except ApiError as error:
        if error.status != 404:
            raise
    while await _get(cluster, manifest):  # noqa: ASYNC110  only the API server knows
        await asyncio.sleep(_POLL_SECONDS)


async def _get(cluster: Cluster, manifest: Manifest) -> Manifest | None:
    metadata = manifest["metadata"]
    try:
        return await cluster.get(TRAINING_JOB, metadata["namespace"], metadata["name"])
    except ApiError as error:
        if error.status == 404:
            return None
        raise


if __name__ == "__main__":
    sys.exit(main())
