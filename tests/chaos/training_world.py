"""Real trainings on the lab's nodes: faults strike one after the other, and the weights must be those without any."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from kubernetes import client

from chaos.advance import PATIENCE_SECONDS, Advance, Position, ask_position
from chaos.checker import Expected, problems
from chaos.cluster import TRAINER_IMAGE, create_namespace
from chaos.faults import Fault, NotPossible, Run
from chaos.recorder import Recorder
from chaos.store_network import StoreNetwork
from posefleet_demo.kubectl import Kubectl, KubectlRefused
from posefleet_demo.project import upload_folder
from posefleet_lab.cluster import Cluster
from posefleet_lab.errors import LabError
from posefleet_lab.tools import binaries
from support.disturbances import Scene
from support.jobs import DATA_BUCKET, RESULTS_BUCKET, Jobs, a_manifest
from support.operator_process import OperatorProcess
from support.waiting import wait_for

NAMESPACE = "training"
NODES = 2
#: A busy machine may take a minute to import the trainer's libraries.
STALL_SECONDS = 120
_EPOCHS = 40
#: Between two faults a training is left in peace for at most this long.
_PEACE_SECONDS = 5.0
#: No fault strikes after this share of the steps, so that it meets a training and not its end.
_LAST_SHARE = 0.8


@dataclass
class TrainingScene(Scene):
    """A running job, and everything around it that can be disturbed."""

    store_network: StoreNetwork
    recorder: Recorder
    api: client.ApiClient
    #: What ``heal`` needs to know of ``strike``.
    held: dict[str, Any] = field(default_factory=dict)


class TrainingWorld:
    """Runs faults of ranks, nodes, checkpoints and the store. Use it as a context manager."""

    def __init__(self, cluster: Cluster, api: client.ApiClient, directory: Path, report: Callable[[str], None]) -> None:
        self._report = report
        self._cluster = cluster
        self._api = api
        self._directory = directory
        self._store = StoreNetwork(cluster.store.endpoint)
        self._recorder = Recorder(cluster.kubeconfig, NAMESPACE)
        self._jobs = Jobs(Kubectl(binaries.kubectl(), cluster.kubeconfig, NAMESPACE), cluster.store)
        self._operator = OperatorProcess(
            directory / "operator-training.log",
            kubeconfig=str(cluster.kubeconfig),
            trainer_image=TRAINER_IMAGE,
            namespaces=NAMESPACE,
            lease_namespace=NAMESPACE,
            lease_seconds="3",
        )
        #: The hash of the weights of a training that was left in peace.
        self.weights = ""
        self._stack = ExitStack()

    def __enter__(self) -> "TrainingWorld":
        from unit.trainer.training.tiny import TinyProject

        create_namespace(self._api, NAMESPACE, self._cluster.store.credentials)
        for bucket in (DATA_BUCKET, RESULTS_BUCKET):
            self._cluster.store.create_bucket(bucket)
        folder = TinyProject(labelled=20).write(self._directory)
        upload_folder(self._cluster.store.client(), folder, DATA_BUCKET, "small/")
        self._stack.enter_context(self._store)
        self._stack.enter_context(self._recorder)
        self._stack.callback(self._operator.stop)
        self._operator.start()
        self._operator.wait_until_leading()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def leave_in_peace(self) -> float:
        """Train without a fault, remember the weights, and return the seconds that it took."""
        begun = time.monotonic()
        name = self._jobs.apply(self._manifest("peace"))
        status = self._jobs.succeed(name, 600)
        assert len(status["attempts"]) == 1, status["attempts"]
        self.weights = self._jobs.weights(name)
        self._delete(name)
        return time.monotonic() - begun

    def run(self, faults: Sequence[Fault], dice: random.Random, name: str, until: float) -> list[Run]:
        """Let faults strike one training, one after the other, and judge what was recorded.

        Returns:
            Fewer runs than faults if the training came to its end before, or the time ``until`` did.
        """
        self._jobs.apply(self._manifest(name))
        scene = TrainingScene(
            self._cluster, self._jobs, self._operator, name, dice, self._store, self._recorder, self._api
        )
        runs: list[Run] = []
        wrong: list[str] = []
        try:
            for fault in faults:
                if runs and time.monotonic() > until:
                    break
                self._until_training(name)
                _pass(dice.uniform(0.5, _PEACE_SECONDS))
                position = self._until_training(name)
                if position.stage != "train" or position.step > _LAST_SHARE * position.steps:
                    break
                self._report(f"    {fault.name} strikes {name} at step {position.step} of {position.steps}")
                runs.append(Run(fault.name))
                self._strike(fault, scene, runs[-1])
            self._jobs.wait_finished(name, PATIENCE_SECONDS)
        except (AssertionError, KubectlRefused) as error:
            wrong.append(str(error))
        finally:
            self._store.heal()
        wrong += [*self._judge(name, faults), *self._delete(name)]
        for run in runs:
            run.problems += wrong
        return runs or [Run(faults[0].name, problems=[*wrong, "no fault took place"])]

    def _strike(self, fault: Fault, scene: TrainingScene, run: Run) -> None:
        before = self._status(scene.name)
        reached = wait_for("an answer of rank 0", lambda: self._position(scene.name), 60)
        self._store.disturbed, begun = 0, time.monotonic()
        with Advance(lambda: self._position(scene.name), reached) as advance:
            try:
                fault.strike(scene)
                if fault.seconds is not None:
                    _pass(scene.dice.uniform(*fault.seconds))
                    fault.heal(scene)
                advance.wait_until_past(fault.always_ends, lambda: self._jobs.state(scene.name)[-3000:])
            except NotPossible as why:
                run.left_out = str(why)
                return
            except (AssertionError, KubectlRefused, LabError) as error:
                run.problems.append(str(error))
        if fault.seconds is None:
            fault.heal(scene)
        after = self._status(scene.name)
        ended = [one for one in after["attempts"] if one["number"] >= reached.attempt and one.get("outcome")]
        run.seconds, run.took = advance.longest_pause, time.monotonic() - begun
        run.steps_lost = _steps_lost(after["attempts"], advance)
        run.problems += _outcomes(fault, ended, before, after)
        if fault.name.startswith("store-") and not self._store.disturbed:
            run.problems.append("the fault did not take place: no request was disturbed")

    def _until_training(self, name: str) -> Position:
        """Where the training is once it makes steps; its stage is ``ended`` if the job is over."""

        def training() -> Position | None:
            if self._status(name).get("phase") in {"Succeeded", "Failed"}:
                return Position(0, "ended", 0, 0)
            position = self._position(name)
            return position if position is not None and position.stage != "prepare" and position.step else None

        return wait_for(f"{name} to train", training, PATIENCE_SECONDS, 0.1, lambda: self._jobs.state(name)[-3000:])

    def _position(self, name: str) -> Position | None:
        """What rank 0 of the newest gang that answers says."""
        selector = f"posefleet.io/job={name},posefleet.io/component=attempt"
        try:
            pods = client.CoreV1Api(self._api).list_namespaced_pod(NAMESPACE, label_selector=selector).items
        except Exception:
            return None
        newest = sorted(pods, key=lambda pod: (-int(pod.metadata.labels["posefleet.io/attempt"]), pod.metadata.name))
        answers = (
            ask_position(pod.status.pod_ip) for pod in newest if pod.status.phase == "Running" and pod.status.pod_ip
        )
        return next(filter(None, answers), None)

    def _status(self, name: str) -> dict[str, Any]:
        return wait_for(f"the status of {name}", lambda: self._jobs.status(name), 60)

    def _judge(self, name: str, faults: Sequence[Fault]) -> list[str]:
        self._recorder.catch_up()
        allowed = frozenset({"Succeeded"}).union(*(fault.ends for fault in faults))
        expected = Expected(disturbed=allowed, weights=self.weights)
        try:
            weights = self._jobs.weights(name)
        except Exception:
            weights = ""
        found = problems(self._recorder.history(), name, expected, weights)
        if not found:
            self._recorder.forget()
        return found

    def _delete(self, name: str) -> list[str]:
        """Delete the job with its pods, and return what is wrong with that."""
        self._jobs.delete(name)
        try:
            wait_for(f"the pods of {name} to be gone", lambda: not self._jobs.pods(name), 200, 1.0)
        except AssertionError as late:
            return [str(late)]
        return []

    def _manifest(self, name: str) -> dict[str, Any]:
        manifest = a_manifest(self._cluster.store, name)
        spec = manifest["spec"]
        spec["storage"]["endpoint"] = self._store.endpoint
        spec["training"]["epochs"] = _EPOCHS
        spec["training"]["validateEveryEpochs"] = _EPOCHS // 2
        spec["checkpoint"] = {"intervalSeconds": 3}
        spec["resources"] |= {"nodes": NODES, "memoryPerNode": "2Gi"}
        spec["failurePolicy"] = {"backoffSeconds": 1, "maxFailures": 100, "stallSeconds": STALL_SECONDS}
        return manifest


def _steps_lost(attempts: Sequence[dict[str, Any]], advance: Advance) -> int:
    """The steps that were done in an attempt and again in the next one, since the fault struck."""
    lost = 0
    for one, following in pairwise(attempts):
        if (number := one["number"]) >= advance.reached.attempt:
            done = max(one.get("endStep") or 0, advance.furthest_of.get(number, 0))
            lost += max(0, done - advance.start_of.get(following["number"], following.get("startStep") or 0))
    return lost


def _outcomes(
    fault: Fault, ended: Sequence[dict[str, Any]], before: dict[str, Any], after: dict[str, Any]
) -> list[str]:
    """What is wrong with how attempts ended after a fault."""
    found = [
        f"attempt {one['number']} ended as {one['outcome']} ({one.get('reason')}: {one.get('message', '')[:200]})"
        for one in ended
        if one["outcome"] not in fault.ends
    ]
    if fault.always_ends and not ended:
        found.append("no attempt ended")
    counted = after.get("failedAttempts", 0) - before.get("failedAttempts", 0)
    if not fault.failures[0] <= counted <= fault.failures[1]:
        found.append(f"{counted} attempts count against the budget, and {fault.failures[0]} to {fault.failures[1]} may")
    return found


def _pass(seconds: float) -> None:
    """A fault is a length of time, so here time is what is waited for."""
    threading.Event().wait(seconds)
