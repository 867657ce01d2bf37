"""A job that is disturbed twice; ``make chaos`` has all the disturbances, with two and with three ranks."""

import pytest

from support.bit_identity import Trial
from support.disturbances import Scene, kill_a_rank, terminate_a_rank
from support.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def stop_then_kill(scene: Scene) -> None:
    """SIGTERM of a rank, then SIGKILL of a rank of the attempt that follows."""
    terminate_a_rank(scene)
    wait_for(
        "the second attempt to answer",
        lambda: _answering_attempt(scene) == 2,
        60,
        explain=lambda: scene.jobs.state(scene.name),
    )
    kill_a_rank(scene)
    wait_for("the third attempt", lambda: scene.jobs.status(scene.name)["currentAttempt"] == 3, 60)


def _answering_attempt(scene: Scene) -> int | None:
    answers = bool(scene.jobs.progress(scene.name).get("progress"))
    return scene.jobs.status(scene.name).get("currentAttempt") if answers else None


def test_a_job_that_is_stopped_and_then_killed_ends_with_the_weights_of_one_left_in_peace(trial: Trial):
    trial.run(stop_then_kill, 2)
