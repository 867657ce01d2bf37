"""A job that is disturbed at a random moment, beside one that is left in peace."""

import os
import random
import uuid
from typing import Any

from posefleet_lab.cluster import Cluster
from support.disturbances import END_AN_ATTEMPT, Disturbance, Scene
from support.jobs import Jobs, a_manifest
from support.operator_process import OperatorProcess
from support.waiting import wait_for

#: Chooses the moments.
SEED = os.environ.get("POSEFLEET_CHAOS_SEED", "0")


class Trial:
    """Disturbs jobs of a namespace, and compares their weights with those of undisturbed ones."""

    def __init__(self, cluster: Cluster, jobs: Jobs, operator: OperatorProcess) -> None:
        self._cluster = cluster
        self._jobs = jobs
        self._operator = operator
        self._peace: dict[int, tuple[str, int]] = {}

    def run(self, disturb: Disturbance, nodes: int) -> None:
        """Disturb a job of ``nodes`` ranks; it must succeed, with the weights of a job left in peace."""
        weights, steps = self._undisturbed(nodes)
        dice = random.Random(f"{SEED} {disturb.__name__} {nodes}")
        name = self._jobs.apply(self._gang(disturb.__name__.replace("_", "-"), nodes))
        moment = dice.randrange(steps)
        self._jobs.wait_step(name, moment)
        stage = wait_for(f"{name} to run when it is to be disturbed", lambda: self._stage(name), 30)
        disturb(Scene(self._cluster, self._jobs, self._operator, name, dice))
        status = self._jobs.succeed(name, 600)
        outcomes = [attempt["outcome"] for attempt in status["attempts"]]
        context = f"{name}: seed {SEED}, disturbed at step {moment} of {steps} ({stage}), attempts {outcomes}"
        assert len(outcomes) > 1 or stage != "train" or disturb not in END_AN_ATTEMPT, context
        assert self._jobs.weights(name) == weights, context

    def _stage(self, name: str) -> str:
        """What the running gang is at; empty where none answers."""
        return str(self._jobs.progress(name).get("progress", {}).get("stage") or "")

    def _undisturbed(self, nodes: int) -> tuple[str, int]:
        """The weights of a job that is left in peace, and its number of steps."""
        if nodes not in self._peace:
            name = self._jobs.apply(self._gang("peace", nodes))
            status = self._jobs.succeed(name, 400)
            assert len(status["attempts"]) == 1, status["attempts"]
            self._peace[nodes] = (self._jobs.weights(name), status["progress"]["steps"])
        return self._peace[nodes]

    def _gang(self, stem: str, nodes: int) -> dict[str, Any]:
        manifest = a_manifest(self._jobs.store, f"{stem}-{nodes}-{uuid.uuid4().hex[:6]}")
        manifest["spec"]["resources"]["nodes"] = nodes
        # As many steps whatever the number of ranks, so that each job lasts long enough to be disturbed.
        manifest["spec"]["training"]["epochs"] = 15 * nodes
        return manifest
