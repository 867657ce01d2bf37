"""Keeps asking a running container's probes and acts on the answers."""

import asyncio
from typing import Protocol

from .containers import ContainerRecord
from .objects import Manifest
from .probes import Probe, Prober


class ProbedContainer(Protocol):
    """A running container, as its probes need to know it."""

    container: Manifest
    record: ContainerRecord

    def readiness_changed(self) -> None:
        """Take note that the record's readiness or startedness changed."""

    def probe_failed(self, message: str) -> None:
        """Take note of a probe's bad answer."""

    def unhealthy(self, problem: str) -> None:
        """End the container: too many bad answers in a row."""


class ContainerProbing:
    """The probes of one run of a container."""

    def __init__(self, owner: ProbedContainer, prober: Prober) -> None:
        self._owner, self._prober = owner, prober

    async def run(self) -> None:
        """Ask until cancelled; liveness and readiness wait for the startup probe."""
        container, record = self._owner.container, self._owner.record
        if startup := container.get("startupProbe"):
            await self._watch("Startup", Probe(startup), until_healthy=True)
        record.started = True
        record.ready = "readinessProbe" not in container
        self._owner.readiness_changed()
        async with asyncio.TaskGroup() as tasks:
            for kind in ("Liveness", "Readiness"):
                if spec := container.get(f"{kind.lower()}Probe"):
                    tasks.create_task(self._watch(kind, Probe(spec)))

    async def _watch(self, kind: str, probe: Probe, *, until_healthy: bool = False) -> None:
        threshold = probe.threshold()
        await asyncio.sleep(probe.initial_delay_seconds)
        while True:
            result = await self._prober.ask(probe)
            if not result.healthy:
                self._owner.probe_failed(f"{kind} probe failed: {result.detail}")
            verdict = threshold.observe(healthy=result.healthy)
            if verdict is not None:
                if until_healthy and verdict:
                    return
                self._act(kind, healthy=verdict)
                if kind != "Readiness" and not verdict:
                    await _on_hold()
            await asyncio.sleep(probe.period_seconds)

    def _act(self, kind: str, *, healthy: bool) -> None:
        if kind == "Readiness":
            if self._owner.record.ready != healthy:
                self._owner.record.ready = healthy
                self._owner.readiness_changed()
        elif not healthy:
            self._owner.unhealthy(f"failed {kind.lower()} probe")


async def _on_hold() -> None:
    """The container is being ended, which is done once; another run of it is asked anew."""
    await asyncio.get_running_loop().create_future()
