"""A few of the disturbances; ``make chaos`` has all of them, with two and with three ranks."""

import pytest

from support import disturbances
from support.bit_identity import Trial

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_a_job_whose_rank_is_killed_ends_with_the_same_weights(trial: Trial):
    trial.run(disturbances.kill_a_rank, 2)


def test_a_job_with_a_rank_that_is_asked_to_stop_ends_with_the_same_weights(trial: Trial):
    trial.run(disturbances.terminate_a_rank, 2)
