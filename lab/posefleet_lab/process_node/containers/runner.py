"""One container of a pod: start it, watch it, restart it, stop it."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from ...api_client import ApiError
from ...manifests import Manifest, name_of, namespace_of, now, to_bytes, uid_of
from ..launcher.program import LaunchSpec
from ..node_config import Image, image_id
from ..sandbox.environment import ConfigError
from ..sandbox.sandbox import PodSandbox
from .logs import last_lines, termination_message
from .probes import ContainerProbing, Prober
from .process import ContainerProcess, StartError, execute, until_over_limit
from .states import Backoff, ContainerRecord, Running, Terminated, Waiting, should_restart

_CONFIG_RETRY_SECONDS = 2.0
_START_FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: error during container init: "
)


@dataclass
class ContainerRunner:
    """Runs one container and restarts it according to ``policy``: Always, OnFailure or Never."""

    sandbox: PodSandbox
    container: Manifest
    record: ContainerRecord
    policy: str
    kind: str = "containers"
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _process: ContainerProcess | None = None
    _killed_for_memory: bool = False
    _ending: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Return the container's name."""
        return str(self.container["name"])

    async def run(self) -> None:
        """Run the container, and restart it, until it has ended and does not restart."""
        if isinstance(self.record.state, Terminated):
            return  # it had ended before this agent took over the pod
        backoff = Backoff()
        while True:
            begun = time.monotonic()
            await self._run_once()
            if self._stopping:
                return
            assert isinstance(self.record.state, Terminated)
            if not should_restart(self.policy, self.record.state.exit_code):
                return
            await self._wait_for_restart(backoff.delay_after(time.monotonic() - begun))

    async def stop(self, grace_seconds: float) -> None:
        """Run the preStop hook, send SIGTERM, and SIGKILL after the grace period. Returns once the container ended."""
        self._stopping = True
        async with self._starting:
            if self._process is None:
                return
        self._event("Killing", f"Stopping container {self.name}")
        await self._end(grace_seconds)

    def shorten_grace_period(self, grace_seconds: float) -> None:
        """Shorten the grace period of a stop that has begun."""
        if self._process is not None:
            asyncio.get_running_loop().call_later(grace_seconds, self._process.kill)

    async def _end(self, grace_seconds: float) -> None:
        process = self._process
        if process is None:
            return
        try:
            async with asyncio.timeout(grace_seconds):
                await self._pre_stop(process)
                process.terminate()
                await self.ended.wait()
        except TimeoutError:
            process.kill()
        await self.ended.wait()

    async def _run_once(self) -> None:
        self.ended.clear()
        image = await self._image()
        spec = await self._spec(image)
        self._killed_for_memory = False
        self.record.container_id = f"process://{uid_of(self.sandbox.pod)}-{self.name}-{self.record.restarts}"
        self._event("Created", f"Created container: {self.name}")
        log = self.sandbox.log_file(self.name, self.record.restarts)
        async with self._starting:
            if self._stopping:
                return
            try:
                self._process = await ContainerProcess.start(spec, self.sandbox.spec_file(self.name), log)
            except StartError as error:
                self._start_failed(str(error))
                return
        self._event("Started", f"Started container {self.name}")
        await self._watch(self._process)

    async def _watch(self, process: ContainerProcess) -> None:
        """Probe the running process, enforce its memory limit, and record its end."""
        started = now()
        self.record.state = Running(started)
        self.record.started = "startupProbe" not in self.container
        self.record.ready = self.record.started and "readinessProbe" not in self.container
        self.sandbox.changed()
        tasks = [
            asyncio.create_task(self._probing(process).run()),
            asyncio.create_task(self._limit_memory(process)),
        ]
        try:
            code = await process.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._process = None
        self._record_end(code, started)

    def _record_end(self, code: int, started: datetime) -> None:
        reason = "OOMKilled" if self._killed_for_memory else "Completed" if code == 0 else "Error"
        run = self.record.restarts
        message = termination_message(
            self.sandbox.termination_file(self.name, run),
            self.container.get("terminationMessagePolicy") or "File",
            code,
            last_lines(self.sandbox.log_file(self.name, run), 80),
        )
        self._terminated(Terminated(code, reason, started, now(), message, self.record.container_id))

    def _terminated(self, state: Terminated) -> None:
        self.record.state = state
        self.record.ready = self.record.started = False
        self.ended.set()
        self.sandbox.changed()

    def _start_failed(self, problem: str) -> None:
        message = f"{_START_FAILED}{problem}"
        self._event("Failed", f"Error: {message}", warning=True)
        self._terminated(Terminated(128, "StartError", None, now(), message, self.record.container_id))

    async def _wait_for_restart(self, seconds: float) -> None:
        assert isinstance(self.record.state, Terminated)
        self.record.last = self.record.state
        if seconds:
            manifest = self.sandbox.pod
            pod = f"{name_of(manifest)}_{namespace_of(manifest)}({uid_of(manifest)})"
            problem = f"back-off {seconds:.0f}s restarting failed container={self.name} pod={pod}"
            self._wait("CrashLoopBackOff", problem)
            event = f"Back-off restarting failed container {self.name} in pod {pod}"
            self._event("BackOff", event, warning=True)
            await asyncio.sleep(seconds)
        self.record.restarts += 1

    async def _image(self) -> Image:
        """Return the image once the configuration has it. Until then the container waits as if for a registry."""
        name, backoff = str(self.container["image"]), Backoff()
        while True:
            image = self.sandbox.node.config.images.get(name)
            if image is not None:
                self.record.image_id = image_id(image)
                self._event("Pulled", f'Container image "{name}" already present on machine')
                return image
            problem = f'failed to pull and unpack image "{name}": {name}: not found'
            self._wait("ErrImagePull", problem)
            self._event("Failed", f'Failed to pull image "{name}": {problem}', warning=True)
            self._event("Failed", "Error: ErrImagePull", warning=True)
            await asyncio.sleep(_CONFIG_RETRY_SECONDS)
            self._wait("ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {problem}')
            self._event("BackOff", f'Back-off pulling image "{name}"')
            await asyncio.sleep(backoff.delay_after(0))

    async def _spec(self, image: Image) -> LaunchSpec:
        """Return the launch specification once every object that it refers to exists."""
        while True:
            try:
                return await self.sandbox.launch_spec(self.container, image, self.record.restarts)
            except (ConfigError, ApiError) as error:
                self._wait("CreateContainerConfigError", str(error))
                self._event("Failed", f"Error: {error}", warning=True)
                await asyncio.sleep(_CONFIG_RETRY_SECONDS)

    def _probing(self, process: ContainerProcess) -> ContainerProbing:
        spec_file = self.sandbox.spec_file(self.name)
        prober = Prober(self.sandbox.address, self.container, partial(execute, spec_file, process.pid))
        return ContainerProbing(self, prober)

    def readiness_changed(self) -> None:
        """Report the new readiness, and let containers start that wait for this sidecar."""
        if self.record.started:
            self.started.set()
        self.sandbox.changed()

    def probe_failed(self, message: str) -> None:
        """Record an event for the failure of one probe."""
        self._event("Unhealthy", message, warning=True)

    def unhealthy(self, problem: str) -> None:
        """End the container after too many failures of its liveness or startup probe."""
        if self._stopping or self._process is None:
            return
        ending = "will be restarted" if self.policy != "Never" else "will be stopped"
        self._event("Killing", f"Container {self.name} {problem}, {ending}")
        grace = self.sandbox.pod["spec"].get("terminationGracePeriodSeconds")
        self._ending = asyncio.create_task(self._end(30 if grace is None else grace))

    async def _limit_memory(self, process: ContainerProcess) -> None:
        limit = ((self.container.get("resources") or {}).get("limits") or {}).get("memory")
        if limit:
            await until_over_limit(process.launcher_pid, to_bytes(str(limit)))
            self._killed_for_memory = True
            process.kill()

    async def _pre_stop(self, process: ContainerProcess) -> None:
        hook = (self.container.get("lifecycle") or {}).get("preStop") or {}
        if "exec" in hook:
            code, output = await execute(self.sandbox.spec_file(self.name), process.pid, hook["exec"]["command"], 3600)
            if code:
                self._event("FailedPreStopHook", f"PreStopHook failed: exit {code}: {output}", warning=True)
        elif "sleep" in hook:
            await asyncio.sleep(hook["sleep"]["seconds"])

    def _wait(self, reason: str, message: str = "") -> None:
        self.record.state = Waiting(reason, message)
        self.sandbox.changed()

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        events = self.sandbox.node.events
        record = events.warning if warning else events.normal
        record(self.sandbox.pod, reason, message, f"spec.{self.kind}{{{self.name}}}")
