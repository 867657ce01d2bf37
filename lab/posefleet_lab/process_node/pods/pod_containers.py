"""The containers of one pod in their order: init containers, sidecars, containers."""

import asyncio
from dataclasses import dataclass

from ...manifests import Manifest
from ..containers.runner import ContainerRunner
from ..containers.states import ContainerRecord, Terminated, Waiting
from ..sandbox.sandbox import PodSandbox


@dataclass
class PodContainers:
    """Runs the containers of a pod, from the first init container to the end of the last container."""

    sandbox: PodSandbox
    inits: list[ContainerRunner]
    mains: list[ContainerRunner]

    @classmethod
    def of(cls, sandbox: PodSandbox, inits: list[ContainerRecord], mains: list[ContainerRecord]) -> "PodContainers":
        """Create a runner for each record of a pod's init containers and containers."""
        spec = sandbox.pod["spec"]
        policy = spec.get("restartPolicy") or "Always"
        of_inits = [
            ContainerRunner(sandbox, container, record, _init_policy(container, policy), "initContainers")
            for container, record in zip(spec.get("initContainers") or [], inits, strict=True)
        ]
        of_mains = [
            ContainerRunner(sandbox, container, record, policy)
            for container, record in zip(spec["containers"], mains, strict=True)
        ]
        return cls(sandbox, of_inits, of_mains)

    async def run(self) -> None:
        """Run all containers until none runs or will restart. Sidecars are stopped after the other containers."""
        sidecars: list[asyncio.Task[None]] = []
        try:
            if await self._initialize(sidecars):
                await self._run_mains()
                await self._stop_sidecars()
        finally:
            for task in sidecars:
                task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Stop the containers, then the sidecars, all within one grace period."""
        deadline = asyncio.get_running_loop().time() + grace_seconds
        await asyncio.gather(*(runner.stop(grace_seconds) for runner in [*self.mains, *self._plain_inits()]))
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.gather(*(runner.stop(left) for runner in self._sidecars()))

    def shorten_grace_period(self, grace_seconds: float) -> None:
        """Shorten the grace period of a stop that has begun."""
        for runner in [*self.inits, *self.mains]:
            runner.shorten_grace_period(grace_seconds)

    def runner(self, name: str) -> ContainerRunner | None:
        """Return the runner of the container ``name``, or None if the pod has no such container."""
        return next((runner for runner in [*self.inits, *self.mains] if runner.name == name), None)

    def fail_unstarted(self) -> None:
        """Record containers that have not started as failed, as a kubelet does when a pod ends."""
        message = "The container could not be located when the pod was terminated"
        for runner in self.mains:
            if isinstance(runner.record.state, Waiting):
                runner.record.state = Terminated(137, "ContainerStatusUnknown", None, None, message)

    async def _initialize(self, sidecars: list[asyncio.Task[None]]) -> bool:
        for runner in self.inits:
            if runner.record.sidecar:
                sidecars.append(asyncio.create_task(runner.run()))
                await runner.started.wait()
                continue
            await runner.run()
            if not runner.record.succeeded:
                return False
        return True

    async def _run_mains(self) -> None:
        for runner in self.mains:
            if isinstance(runner.record.state, Waiting):
                runner.record.state = Waiting("ContainerCreating")
        self.sandbox.changed()
        await asyncio.gather(*(runner.run() for runner in self.mains))

    async def _stop_sidecars(self) -> None:
        grace = self.sandbox.pod["spec"].get("terminationGracePeriodSeconds")
        await asyncio.gather(*(runner.stop(30 if grace is None else grace) for runner in self._sidecars()))

    def _sidecars(self) -> list[ContainerRunner]:
        return [runner for runner in self.inits if runner.record.sidecar]

    def _plain_inits(self) -> list[ContainerRunner]:
        return [runner for runner in self.inits if not runner.record.sidecar]


def _init_policy(container: Manifest, pod_policy: str) -> str:
    if container.get("restartPolicy") == "Always":
        return "Always"
    return "Never" if pod_policy == "Never" else "OnFailure"
