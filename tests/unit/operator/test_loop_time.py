"""How long the iterations of an event loop take."""

import asyncio
import time

from posefleet_operator.telemetry.loop_time import LongestIteration


async def _waits_then_works() -> None:
    await asyncio.sleep(0.2)
    time.sleep(0.05)  # noqa: ASYNC251  what holds up the loop is what is measured


def test_the_longest_iteration_is_one_that_holds_up_the_loop_and_not_one_that_waits() -> None:
    longest = LongestIteration()
    with asyncio.Runner(loop_factory=longest.new_loop) as runner:
        runner.run(_waits_then_works())

    assert 0.05 <= longest.seconds < 0.2
