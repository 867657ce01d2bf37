"""The operator inside another program's event loop."""

import asyncio
import signal

import pytest

from integration.operator.stage import COMPLETED, Stage
from posefleet_operator.main import run_operator
from posefleet_operator.settings import Settings

pytestmark = pytest.mark.cluster


async def test_an_operator_runs_in_a_loop_that_is_not_its_own_and_leaves_it_as_it_was(stage: Stage) -> None:
    settings = Settings(
        trainer_image="acting-trainer",
        namespaces=(stage.namespace,),
        kubeconfig=str(stage.cluster.kubeconfig),
        lease_namespace=stage.namespace,
        http_host="127.0.0.1",
        http_port=0,
        progress_seconds=0.5,
    )
    before = signal.getsignal(signal.SIGINT)
    stop = asyncio.Event()
    bystander = asyncio.create_task(asyncio.sleep(3600))
    running = asyncio.create_task(run_operator(settings, stop))
    stage.apply("reaching", {"1": COMPLETED})
    await asyncio.to_thread(stage.wait_for_phase, "reaching", "Succeeded")
    stop.set()
    async with asyncio.timeout(15):
        await running

    assert not bystander.done()
    assert signal.getsignal(signal.SIGINT) is before
    bystander.cancel()
