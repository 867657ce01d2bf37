"""Startup, liveness and readiness probes: how containers are probed, and what follows from the results."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from ...manifests import Manifest
from .states import ContainerRecord

_HEALTHY_STATUS = range(200, 400)
_BODY_BYTES = 10 * 1024


@dataclass(frozen=True)
class ProbeResult:
    """The result of one probe. ``detail`` says why it failed."""

    healthy: bool
    detail: str = ""


@dataclass
class Threshold:
    """Counts consecutive results until there are enough for a verdict."""

    success: int
    failure: int
    _healthy: bool | None = None
    _run: int = 0

    def observe(self, *, healthy: bool) -> bool | None:
        """Return the verdict, healthy or not, if consecutive results have reached the threshold, or else None."""
        self._run = self._run + 1 if healthy == self._healthy else 1
        self._healthy = healthy
        return healthy if self._run >= (self.success if healthy else self.failure) else None


@dataclass(frozen=True)
class Probe:
    """The settings of a probe, as in the spec of the pod."""

    spec: Manifest

    @property
    def period_seconds(self) -> int:
        """Return the time between two probes."""
        return int(self.spec.get("periodSeconds") or 10)

    @property
    def timeout_seconds(self) -> int:
        """Return how long a probe may take."""
        return int(self.spec.get("timeoutSeconds") or 1)

    @property
    def initial_delay_seconds(self) -> int:
        """Return the time between the start of the container and the first probe."""
        return int(self.spec.get("initialDelaySeconds") or 0)

    def threshold(self) -> Threshold:
        """Return a new count of results with the thresholds of this probe."""
        return Threshold(int(self.spec.get("successThreshold") or 1), int(self.spec.get("failureThreshold") or 3))


Execute = Callable[[list[str], float], Awaitable[tuple[int, str]]]


@dataclass(frozen=True)
class Prober:
    """Probes one container. ``execute`` runs a command in it and returns exit code and output."""

    address: str
    container: Manifest
    execute: Execute

    async def probe_once(self, probe: Probe) -> ProbeResult:
        """Probe once. A probe that takes longer than its timeout fails."""
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                return await self._probe(probe)
        except TimeoutError:
            return ProbeResult(healthy=False, detail=f"timed out after {probe.timeout_seconds} s")

    async def _probe(self, probe: Probe) -> ProbeResult:
        if "exec" in probe.spec:
            code, output = await self.execute(probe.spec["exec"]["command"], probe.timeout_seconds)
            return ProbeResult(healthy=code == 0, detail=output)
        if "httpGet" in probe.spec:
            return await self._http(probe.spec["httpGet"])
        if "tcpSocket" in probe.spec:
            return await self._tcp(probe.spec["tcpSocket"])
        return ProbeResult(healthy=False, detail="this node supports only exec, httpGet and tcpSocket probes")

    async def _http(self, action: Manifest) -> ProbeResult:
        host = action.get("host") or self.address
        scheme = (action.get("scheme") or "HTTP").lower()
        path = action.get("path") or "/"
        url = f"{scheme}://{host}:{self.port(action['port'])}/{path.lstrip('/')}"
        headers = {"User-Agent": "kube-probe/1.34", "Accept": "*/*"}
        headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or []}
        try:
            async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as answer:
                await answer.content.read(_BODY_BYTES)
        except (aiohttp.ClientError, OSError) as error:
            return ProbeResult(healthy=False, detail=f'Get "{url}": {error}')
        detail = f"HTTP probe failed with statuscode: {answer.status}"
        return ProbeResult(healthy=answer.status in _HEALTHY_STATUS, detail=detail)

    async def _tcp(self, action: Manifest) -> ProbeResult:
        host, port = action.get("host") or self.address, self.port(action["port"])
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            return ProbeResult(healthy=False, detail=f"dial tcp {host}:{port}: {error.strerror or error}")
        writer.close()
        return ProbeResult(healthy=True)

    def port(self, port: int | str) -> int:
        """Return the number of a port of the container that is given by number or name."""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        named = {entry.get("name"): entry["containerPort"] for entry in self.container.get("ports") or []}
        return int(named.get(port, 0))


class ProbedContainer(Protocol):
    """What probes need of a running container."""

    container: Manifest
    record: ContainerRecord

    def readiness_changed(self) -> None:
        """Handle a change of ``ready`` or ``started`` in the record."""

    def probe_failed(self, message: str) -> None:
        """Handle the failure of one probe."""

    def unhealthy(self, problem: str) -> None:
        """End the container after too many consecutive failures of its liveness or startup probe."""


class ContainerProbing:
    """Runs the probes of a container during one run of it."""

    def __init__(self, owner: ProbedContainer, prober: Prober) -> None:
        self._owner, self._prober = owner, prober

    async def run(self) -> None:
        """Probe until cancelled. Liveness and readiness probes start when the startup probe has succeeded."""
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
            result = await self._prober.probe_once(probe)
            if not result.healthy:
                self._owner.probe_failed(f"{kind} probe failed: {result.detail}")
            verdict = threshold.observe(healthy=result.healthy)
            if verdict is not None:
                if until_healthy and verdict:
                    return
                self._act(kind, healthy=verdict)
                if kind != "Readiness" and not verdict:
                    await _wait_for_cancellation()
            await asyncio.sleep(probe.period_seconds)

    def _act(self, kind: str, *, healthy: bool) -> None:
        if kind == "Readiness":
            if self._owner.record.ready != healthy:
                self._owner.record.ready = healthy
                self._owner.readiness_changed()
        elif not healthy:
            self._owner.unhealthy(f"failed {kind.lower()} probe")


async def _wait_for_cancellation() -> None:
    """Stop probing a container that is being ended. Its next run has new probes."""
    await asyncio.get_running_loop().create_future()
