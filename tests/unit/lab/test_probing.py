"""What bad answers of a container's probes lead to."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from posefleet_lab.process_node.containers.probes import ContainerProbing, Probe, Prober, ProbeResult


@dataclass
class Record:
    ready: bool = False
    started: bool = False


@dataclass
class Owner:
    """A container that takes note of what it is told."""

    container: dict[str, Any]
    record: Record = field(default_factory=Record)
    failures: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def readiness_changed(self) -> None:
        return

    def probe_failed(self, message: str) -> None:
        self.failures.append(message)

    def unhealthy(self, problem: str) -> None:
        self.ends.append(problem)


class SickProber:
    """No answer is a good one; counts them by what was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}

    async def ask(self, probe: Probe) -> ProbeResult:
        name = probe.spec["name"]
        self.asked[name] = self.asked.get(name, 0) + 1
        return ProbeResult(healthy=False, detail="sick")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds: whole(0))


async def probe_for_long(owner: Owner, prober: SickProber, other: str) -> None:
    """Until the probe named ``other``, which nothing ends, was asked often; or for some turns of the loop."""
    task = asyncio.create_task(ContainerProbing(owner, prober).run())  # type: ignore[arg-type]
    for _ in range(1000):
        if prober.asked.get(other, 0) >= 50:
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_container_that_is_not_alive_is_ended_once(at_once):
    probes = {"livenessProbe": {"name": "alive", "failureThreshold": 2}, "readinessProbe": {"name": "ready"}}
    owner, prober = Owner(probes), SickProber()
    await probe_for_long(owner, prober, "ready")
    assert owner.ends == ["failed liveness probe"]
    assert prober.asked["alive"] == 2
    assert prober.asked["ready"] >= 50


async def test_a_container_that_does_not_start_is_ended_once_and_never_counts_as_started(at_once):
    owner = Owner({"startupProbe": {"name": "started", "failureThreshold": 3}, "livenessProbe": {"name": "alive"}})
    prober = SickProber()
    await probe_for_long(owner, prober, "alive")
    assert owner.ends == ["failed startup probe"]
    assert prober.asked == {"started": 3}
    assert not owner.record.started


async def test_a_probe_that_a_node_cannot_ask_fails_and_says_so():
    answer = await Prober("127.0.0.1", {}, None).ask(Probe({"grpc": {"port": 9000}}))  # type: ignore[arg-type]
    assert not answer.healthy
    assert "httpGet" in answer.detail
