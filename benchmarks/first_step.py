"""Measures the time from ``kubectl apply`` to the first training step on a container node (part of ``make bench``).

Before the measurement, the chart is installed, the images are loaded onto the node, and another job prepares the data.
Each printed value is the median over ``--repeats`` jobs, in seconds. The benchmark needs the same programs as
``make e2e``. By default, the pods run a stand-in for the trainer image, which has the same code and libraries in a
volume; ``--image`` names a trainer image in buildah's store to use instead.
"""

import argparse
import re
import statistics
import tempfile
import threading
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch

from posefleet_api.constants import LABEL_COMPONENT, LABEL_JOB
from posefleet_lab.cluster import Cluster
from posefleet_lab.system_programs import CONTAINER_NODE, IMAGE_TOOLS, explain
from support import stand_in_trainer
from support.images import built
from support.installation import LAB, install, open_lab, the_example
from support.jobs import Jobs
from support.waiting import wait_for

#: The parts that are measured on pods, in their order, and the moment at which each ends. It starts where the one
#: before it ends.
MOMENTS = {
    "pod of prepare is there": "prepare created",
    "its container starts": "prepare started",
    "prepare ends": "prepare ended",
    "all training pods are there": "attempt created",
    "and are scheduled": "attempt scheduled",
    "their containers start": "attempt started",
}


class Pods(threading.Thread):
    """Records when each pod of the lab's namespace first reached each moment, in seconds since the epoch."""

    def __init__(self, api: client.ApiClient) -> None:
        super().__init__(daemon=True)
        self._api = api
        self.seen: dict[tuple[str, str], dict[str, float]] = {}

    def run(self) -> None:
        """Watch the pods until the process ends."""
        core = client.CoreV1Api(self._api)
        for event in watch.Watch().stream(core.list_namespaced_pod, LAB):
            now, pod = time.time(), event["object"]
            labels = pod.metadata.labels
            states = [status.state for status in pod.status.container_statuses or ()]
            reached = {
                "created": True,
                "scheduled": bool(pod.spec.node_name),
                "started": any(state.running or state.terminated for state in states),
                "ended": any(state.terminated for state in states),
            }
            for moment in (name for name, is_there in reached.items() if is_there):
                where = (labels.get(LABEL_JOB, ""), f"{labels.get(LABEL_COMPONENT, '')} {moment}")
                self.seen.setdefault(where, {}).setdefault(pod.metadata.name, now)

    def last(self, job: str, moment: str) -> float:
        """Return the time at which the last pod of a job reached ``moment``."""
        return max(self.seen[job, moment].values())


def one_job(jobs: Jobs, pods: Pods, name: str, nodes: int) -> tuple[dict[str, float], dict[str, float]]:
    """Run a new job, and return the seconds that each part took, and those of each part inside rank 0's process."""
    began = time.time()
    jobs.apply(a_job(name, nodes))
    reached = {"kubectl apply returns": time.time()}

    def first_steps() -> list[str]:
        selector = ("-l", f"{LABEL_JOB}={name},{LABEL_COMPONENT}=attempt")
        printed = jobs.kubectl("logs", *selector, "--timestamps", "--tail=-1", "--ignore-errors")
        return re.findall(r"^(\S+) .*first step after (.*\))", printed, re.MULTILINE)

    [(stamp, split)] = wait_for(f"the first step of {name}", first_steps, 180, 1.0, lambda: jobs.state(name))
    reached |= {title: pods.last(name, moment) for title, moment in MOMENTS.items()}
    reached["first step is done"] = datetime.fromisoformat(stamp).timestamp()
    jobs.delete(name)
    wait_for(f"the pods of {name} to go", lambda: not jobs.pods(name), 120, 0.5)
    moments = [began, *reached.values()]
    parts = {title: after - before for title, (before, after) in zip(reached, pairwise(moments), strict=True)}
    process = {part: float(seconds) for part, seconds in re.findall(r"(\w+) ([\d.]+)[,)]", split)}
    return {**parts, "all": moments[-1] - began}, process


def a_job(name: str, nodes: int) -> dict[str, Any]:
    """Return the demo's job under another name."""
    manifest = the_example(epochs=100)
    manifest["metadata"]["name"] = name
    manifest["spec"]["output"]["uri"] += f"{name}/"
    manifest["spec"]["resources"]["nodes"] = nodes
    return manifest


def print_medians(runs: list[dict[str, float]]) -> None:
    """Print one line per part."""
    for part in runs[0]:
        values = sorted(run.get(part, 0.0) for run in runs)
        print(f"{statistics.median(values):8.2f}  ({values[0]:.2f} to {values[-1]:.2f})  {part}")


def measure(jobs: Jobs, pods: Pods, repeats: int) -> None:
    """Measure jobs with one training pod, then with two."""
    one_job(jobs, pods, "prepares", 1)
    for nodes in (1, 2):
        runs = [one_job(jobs, pods, f"nodes-{nodes}-{number}", nodes) for number in range(repeats)]
        print(f"\n{nodes} training pod{'s' * (nodes > 1)} of one CPU: until ... (least to most)")
        print_medians([whole for whole, _ in runs])
        print("of that, in rank 0:")
        print_medians([process for _, process in runs])


def main() -> None:
    """Run the benchmark and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--image", help="a trainer image in buildah's store, instead of the stand-in")
    options = parser.parse_args()
    if missing := explain(CONTAINER_NODE, IMAGE_TOOLS):
        print(missing)
        return
    with tempfile.TemporaryDirectory(prefix="posefleet-bench-") as folder:
        work = Path(folder)
        with Cluster(work / "cluster", name="first-step", node="container", report=print) as cluster:
            operator, trainer = built("operator").name, options.image or stand_in_trainer.IMAGE
            cluster.container_node.load_image(operator)
            jobs = open_lab(cluster, work / "animal")
            values: dict[str, Any] = {}
            if options.image:
                cluster.container_node.load_image(trainer)
            else:
                stand_in_trainer.load(cluster, work)
                jobs.kubectl.apply_everywhere(*stand_in_trainer.volume(LAB))
                values["pod"] = stand_in_trainer.pod_template()
            install(cluster, operator, trainer, work / "values.json", **values)
            pods = Pods(config.new_client_from_config(str(cluster.kubeconfig)))
            pods.start()
            measure(jobs, pods, options.repeats)


if __name__ == "__main__":
    main()
