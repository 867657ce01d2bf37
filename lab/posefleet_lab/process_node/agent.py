"""The node agent: ``python -m posefleet_lab.process_node.agent CONFIG`` runs one process node."""

import asyncio
import contextlib
import logging
import shutil
import signal
import sys
from pathlib import Path

from ..api_client import Api, Reflector
from ..manifests import Manifest, key_of, uid_of
from ..ports import claim_network
from .containers.process import can_isolate
from .events import EventRecorder
from .node_config import NodeConfig
from .pods.worker import PodWorker
from .registration import Registration
from .sandbox.hosts_files import NameDirectory
from .sandbox.sandbox import NodeServices, pod_directory
from .sandbox.volumes import ClusterObjects, free_memory
from .server import KubeletServer

_log = logging.getLogger(__name__)

_KILL_SECONDS = 5.0


class Agent:
    """Runs the pods that the scheduler binds to this node."""

    def __init__(self, node: NodeServices) -> None:
        self._node = node
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """Return the worker of a pod, or None if the pod is not on this node."""
        for worker in self._workers.values():
            if key_of(worker.pod) == f"{namespace}/{name}":
                return worker
        return None

    async def run(self) -> None:
        """Register the node and run its pods until cancelled."""
        config = self._node.config
        server = KubeletServer(config, self.find)
        registration = Registration(self._node.api, config)
        selector = {"fieldSelector": f"spec.nodeName={config.name}"}
        pods = Reflector(self._node.api, "/api/v1/pods", selector, self._changed, self._removed)
        await server.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._node.names.run())
                tasks.create_task(self._node.events.run())
                await self._node.names.synced()
                tasks.create_task(pods.run())
                await pods.synced.wait()
                self._remove_leftovers()
                await registration.register()
                config.ready_file.touch()
                tasks.create_task(registration.heartbeat())
        finally:
            await self._kill_all()
            await server.stop()

    def _changed(self, pod: Manifest) -> None:
        uid = uid_of(pod)
        if uid in self._workers:
            self._workers[uid].update(pod)
            return
        worker = self._workers[uid] = PodWorker(self._node, pod)
        task = self._tasks[uid] = asyncio.create_task(worker.run(), name=key_of(pod))
        task.add_done_callback(lambda done: self._ended(uid, done))

    def _removed(self, pod: Manifest) -> None:
        if worker := self._workers.get(uid_of(pod)):
            worker.removed()

    def _ended(self, uid: str, task: "asyncio.Task[None]") -> None:
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        if not task.cancelled() and task.exception():
            _log.error("pod %s", task.get_name(), exc_info=task.exception())

    def _remove_leftovers(self) -> None:
        """Delete the files of pods that were removed while no agent ran."""
        base = self._node.config.directory
        kept = {pod_directory(base, worker.pod).name for worker in self._workers.values()}
        for directory in (base / "pods").glob("*"):
            if directory.name not in kept:
                shutil.rmtree(directory, ignore_errors=True)
                free_memory(directory.name.rpartition("_")[2])

    async def _kill_all(self) -> None:
        """Kill all containers and free their memory. The status of pods stays as it is, as if the machine failed."""
        uids = list(self._workers)
        for worker in self._workers.values():
            worker.containers.shorten_grace_period(0)
        for task in self._tasks.values():
            task.cancel()
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_KILL_SECONDS)
        for uid in uids:
            free_memory(uid)


async def run_agent(config: NodeConfig) -> None:
    """Run a node until SIGTERM or SIGINT."""
    config.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    network = claim_network()
    isolated = config.isolate and await can_isolate()
    _log.info("node %s, pods in 127.%d.0.0/16, isolated: %s", config.name, network.second_octet, isolated)
    api = await Api.connect(config.kubeconfig)
    node = NodeServices(
        config=config,
        api=api,
        server=api.server,
        events=EventRecorder(api, config.name),
        objects=ClusterObjects(api),
        names=NameDirectory(api),
        network=network,
        isolated=isolated,
    )
    task = asyncio.create_task(Agent(node).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await api.close()


def main() -> None:
    """Run the node of the configuration file named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run_agent(NodeConfig.read(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
