"""Startup, liveness and readiness probes: how they ask, and what follows from the answers."""

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
    """One answer of a probe; ``detail`` says what was wrong."""

    healthy: bool
    detail: str = ""


@dataclass
class Threshold:
    """Turns single answers into a verdict: so many in a row."""

    success: int
    failure: int
    _healthy: bool | None = None
    _run: int = 0

    def observe(self, *, healthy: bool) -> bool | None:
        """Return True or False when the answers in a row reach their threshold, else None."""
        self._run = self._run + 1 if healthy == self._healthy else 1
        self._healthy = healthy
        return healthy if self._run >= (self.success if healthy else self.failure) else None


@dataclass(frozen=True)
class Probe:
    """A probe of a container as its pod's spec says."""

    spec: Manifest

    @property
    def period_seconds(self) -> int:
        """Return the time between two answers."""
        return int(self.spec.get("periodSeconds") or 10)

    @property
    def timeout_seconds(self) -> int:
        """Return how long an answer may take."""
        return int(self.spec.get("timeoutSeconds") or 1)

    @property
    def initial_delay_seconds(self) -> int:
        """Return how long after the container's start the first answer is asked for."""
        return int(self.spec.get("initialDelaySeconds") or 0)

    def threshold(self) -> Threshold:
        """Return a new count of answers."""
        return Threshold(int(self.spec.get("successThreshold") or 1), int(self.spec.get("failureThreshold") or 3))


Execute = Callable[[list[str], float], Awaitable[tuple[int, str]]]


@dataclass(frozen=True)
class Prober:
    """Asks one container. ``execute`` runs a command inside it and returns exit code and output."""

    address: str
    container: Manifest
    execute: Execute

    async def ask(self, probe: Probe) -> ProbeResult:
        """Ask once; what takes longer than the probe's timeout is a failure."""
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                return await self._ask(probe)
        except TimeoutError:
            return ProbeResult(healthy=False, detail=f"timed out after {probe.timeout_seconds} s")

    async def _ask(self, probe: Probe) -> ProbeResult:
        if "exec" in probe.spec:
            code, output = await self.execute(probe.spec["exec"]["command"], probe.timeout_seconds)
            return ProbeResult(healthy=code == 0, detail=output)
        if "httpGet" in probe.spec:
            return await self._http(probe.spec["httpGet"])
        if "tcpSocket" in probe.spec:
            return await self._tcp(probe.spec["tcpSocket"])
        return ProbeResult(healthy=False, detail="this node asks by exec, httpGet and tcpSocket alone")

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
        """Return the number of a port that may be given by name."""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        named = {entry.get("name"): entry["containerPort"] for entry in self.container.get("ports") or []}
        return int(named.get(port, 0))


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
