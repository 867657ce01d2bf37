"""What a shared cluster does to a running job, one function each."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posefleet_lab.cluster import Cluster
from support.jobs import Jobs
from support.operator_process import OperatorProcess
from support.waiting import wait_for


@dataclass
class Scene:
    """A running job, and everything around it that can be disturbed."""

    cluster: Cluster
    jobs: Jobs
    operator: OperatorProcess
    name: str
    dice: random.Random


Disturbance = Callable[[Scene], None]


def kill_a_rank(scene: Scene) -> None:
    """SIGKILL of a random rank."""
    os.kill(pid_of_a_rank(scene), signal.SIGKILL)


def terminate_a_rank(scene: Scene) -> None:
    """SIGTERM of a random rank."""
    os.kill(pid_of_a_rank(scene), signal.SIGTERM)


def delete_a_pod(scene: Scene) -> None:
    """Somebody deletes one of the pods that run."""
    running = [pod for pod in scene.jobs.pods(scene.name) if pod["status"].get("phase") == "Running"]
    pod = scene.dice.choice(running)
    scene.jobs.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")


def delete_the_attempts_job(scene: Scene) -> None:
    """Somebody deletes the child Job."""
    attempt = scene.jobs.status(scene.name)["currentAttempt"]
    scene.jobs.kubectl("delete", "job", f"{scene.name}-a{attempt}", "--wait=false")


#: What takes a gang down, so that another attempt follows.
END_AN_ATTEMPT = (kill_a_rank, terminate_a_rank, delete_a_pod, delete_the_attempts_job)


def pid_of_a_rank(scene: Scene) -> int:
    """A training process (not its launcher) of a random pod of the job."""
    running = wait_for("a training process", lambda: _ranks(scene), 60)
    return scene.dice.choice(running)


def _ranks(scene: Scene) -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if _is_rank(entry, scene.name))


def _is_rank(process: Path, job: str) -> bool:
    """Whether ``process`` (a folder of /proc) trains for ``job``; a launcher does not."""
    if not process.name.isdigit():
        return False
    try:
        environment = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    of_the_job = any(variable.startswith(f"MASTER_ADDR={job}-a".encode()) for variable in environment)
    return of_the_job and any(variable.startswith(b"RANK=") for variable in environment)
