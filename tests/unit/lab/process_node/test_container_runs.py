"""One container that is stopped while it starts, and while it waits to restart."""

import asyncio
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from posefleet_lab.process_node.containers import runner as container_module
from posefleet_lab.process_node.containers.runner import ContainerRunner
from posefleet_lab.process_node.containers.states import ContainerRecord, Terminated, Waiting
from posefleet_lab.process_node.node_config import Image


class Process:
    """A process that ends when it is terminated or killed."""

    pid = launcher_pid = 1

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await self.ended

    def terminate(self) -> None:
        self.ended.set_result(143)

    kill = terminate


@pytest.fixture
def runner(tmp_path) -> ContainerRunner:
    for name in ("log", "termination"):
        (tmp_path / name).touch()

    async def launch_spec(*_) -> None:
        return None

    sandbox = SimpleNamespace(
        pod={"metadata": {"name": "pod", "namespace": "lab", "uid": "uid"}, "spec": {}},
        node=SimpleNamespace(config=SimpleNamespace(images={"image": Mock(spec=Image)}), events=Mock()),
        address="127.1.0.2", launch_spec=launch_spec, changed=lambda: None, spec_file=lambda _: tmp_path / "spec",
        log_file=lambda *_: tmp_path / "log", termination_file=lambda *_: tmp_path / "termination",
    )  # fmt: skip
    record = ContainerRecord("main", "image", Waiting("ContainerCreating"))
    return ContainerRunner(sandbox, {"name": "main", "image": "image"}, record, "Always")


async def test_a_container_that_is_being_started_is_stopped_too(runner, monkeypatch) -> None:
    starting, go_on = asyncio.Event(), asyncio.Event()

    async def start(*_) -> Process:
        starting.set()
        await go_on.wait()
        return Process()

    monkeypatch.setattr(container_module, "image_id", lambda _: "id")
    monkeypatch.setattr(container_module.ContainerProcess, "start", start)
    async with asyncio.timeout(5):
        running = asyncio.create_task(runner.run())
        await starting.wait()
        stopping = asyncio.create_task(runner.stop(3))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(running, stopping)

    assert isinstance(runner.record.state, Terminated)
    assert runner.record.state.exit_code == 143


async def test_a_container_that_waits_for_its_next_start_is_not_started_any_more(runner, monkeypatch) -> None:
    starts = []

    async def start(*_) -> Process:
        process = Process()
        process.ended.set_result(1)
        starts.append(process)
        return process

    monkeypatch.setattr(container_module, "image_id", lambda _: "id")
    monkeypatch.setattr(container_module.ContainerProcess, "start", start)
    monkeypatch.setattr(container_module.Backoff, "delay_after", lambda *_: 0.2)
    async with asyncio.timeout(5):
        running = asyncio.create_task(runner.run())
        while not isinstance(runner.record.state, Waiting) or runner.record.last is None:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.01)
        await runner.stop(3)
        await running

    assert len(starts) == 1
