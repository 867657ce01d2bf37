"""Whatever happens to a running job at whatever moment, it succeeds, with the weights of a job left in peace.

POSEFLEET_CHAOS_SEED chooses the moments.
"""

import os
import random
import uuid

import pytest

from posefleet_lab.cluster import Cluster
from support.disturbances import (
    Disturbance,
    Scene,
    delete_a_pod,
    delete_the_attempts_job,
    kill_a_rank,
    kill_the_operator,
    restart_the_api_server,
    take_the_store_away,
    terminate_a_rank,
)
from support.jobs import Jobs, a_manifest
from support.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SEED = os.environ.get("POSEFLEET_CHAOS_SEED", "0")
DISTURBANCES: list[Disturbance] = [
    kill_a_rank,
    terminate_a_rank,
    delete_a_pod,
    delete_the_attempts_job,
    kill_the_operator,
    restart_the_api_server,
    take_the_store_away,
]
_UNDISTURBED: dict[int, tuple[str, int]] = {}


def gang(jobs: Jobs, name: str, nodes: int) -> dict:
    manifest = a_manifest(jobs.store, name)
    manifest["spec"]["resources"]["nodes"] = nodes
    # As many samples whatever the number of ranks: the job lasts long enough to be disturbed.
    manifest["spec"]["training"]["epochs"] = 20 * nodes
    return manifest


def undisturbed(jobs: Jobs, nodes: int) -> tuple[str, int]:
    """The weights of a job that is left in peace, and its number of steps."""
    if nodes not in _UNDISTURBED:
        name = jobs.apply(gang(jobs, f"peace-{nodes}-{uuid.uuid4().hex[:6]}", nodes))
        status = jobs.succeed(name, 400)
        assert len(status["attempts"]) == 1
        _UNDISTURBED[nodes] = (jobs.weights(name), status["progress"]["steps"])
    return _UNDISTURBED[nodes]


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda disturbance: disturbance.__name__)
def test_a_disturbed_job_ends_with_the_same_weights(
    cluster: Cluster, jobs: Jobs, operator: OperatorProcess, disturb: Disturbance, nodes: int
):
    weights, steps = undisturbed(jobs, nodes)
    dice = random.Random(f"{SEED} {disturb.__name__} {nodes}")
    name = jobs.apply(gang(jobs, f"{disturb.__name__.replace('_', '-')}-{nodes}-{uuid.uuid4().hex[:6]}", nodes))
    moment = dice.randrange(steps)
    jobs.wait_step(name, moment)
    disturb(Scene(cluster, jobs, operator, name, dice))
    status = jobs.succeed(name, 600)
    told = f"seed {SEED}, step {moment} of {steps}, attempts {[a['outcome'] for a in status['attempts']]}"
    assert jobs.weights(name) == weights, told
