"""Whatever happens to a running job at whatever moment, it succeeds, with the weights of a job left in peace."""

import pytest

from support import disturbances
from support.bit_identity import Trial
from support.disturbances import Disturbance

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

DISTURBANCES: list[Disturbance] = [
    disturbances.kill_a_rank,
    disturbances.terminate_a_rank,
    disturbances.delete_a_pod,
    disturbances.delete_the_attempts_job,
    disturbances.kill_the_operator,
    disturbances.restart_the_api_server,
    disturbances.take_the_store_away,
]


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda disturb: disturb.__name__)
def test_a_disturbed_job_ends_with_the_same_weights(trial: Trial, disturb: Disturbance, nodes: int):
    trial.run(disturb, nodes)
