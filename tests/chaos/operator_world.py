"""The real operator against the real API server, with trainers that act: many jobs, each of which lives for seconds."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kubernetes import client
from urllib3.exceptions import HTTPError

from chaos.checker import FINISHED, problems
from chaos.cluster import create_namespace
from chaos.faults import Fault, Run
from chaos.history import History
from chaos.network import Network
from chaos.recorder import Recorder
from chaos.scripts import SCRIPTS, USUAL, manifest
from chaos.shim import Shim
from posefleet_api.constants import GROUP, KIND, PLURAL, VERSION
from posefleet_lab.cluster import Cluster
from posefleet_lab.errors import LabError
from posefleet_lab.object_stores.base import Credentials
from support.operator_process import OperatorProcess
from support.waiting import wait_for

NAMESPACE = "acting"
IMAGE = "acting-trainer"
#: A fault strikes within so many seconds after its jobs were submitted.
_MOMENTS_SECONDS = 8.0
#: Every job must have ended after this time.
_PATIENCE_SECONDS = 300.0


class OperatorWorld:
    """Runs faults of the operator and the API server. Use it as a context manager."""

    def __init__(self, cluster: Cluster, api: client.ApiClient, directory: Path) -> None:
        self.cluster = cluster
        self.network = Network(cluster.kubeconfig, directory)
        self.dice = random.Random()
        self.recorder = Recorder(cluster.kubeconfig, NAMESPACE)
        self.custom = client.CustomObjectsApi(api)
        self.core = client.CoreV1Api(api)
        self.batch = client.BatchV1Api(api)
        self._api = api
        self._directory = directory
        self.shim: Shim
        self._started = 0
        self._lease_seconds = 0.0
        self.operator: OperatorProcess | None = None
        #: The jobs of the run.
        self.names: list[str] = []
        #: A former leader that does not run while another one leads.
        self.frozen: OperatorProcess | None = None
        self._may_die = threading.Event()

    def __enter__(self) -> "OperatorWorld":
        create_namespace(self._api, NAMESPACE, Credentials.generate())
        self.shim = Shim(self._directory)
        self.network.__enter__()
        self.recorder.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self.operator is not None:
            self.operator.stop()
        self.recorder.__exit__()
        self.network.__exit__()

    def new_operator(self) -> OperatorProcess:
        """Start one more operator."""
        self._started += 1
        process = OperatorProcess(
            self._directory / f"operator-{self._started}.log",
            kubeconfig=str(self.network.kubeconfig),
            trainer_image=IMAGE,
            namespaces=NAMESPACE,
            lease_namespace=NAMESPACE,
            lease_seconds=str(self._lease_seconds),
            progress_seconds="0.5",
        )
        process.environment = self.shim.environment
        process.start()
        return process

    def keep_operator_alive(self) -> None:
        """Start the operator again whenever it has ended, until ``let_operator_die``."""
        self._may_die.clear()

        def keep() -> None:
            while not self._may_die.wait(0.05):
                if self.operator is not None and not self.operator.running:
                    self.operator.start()

        threading.Thread(target=keep, daemon=True).start()

    def let_operator_die(self) -> None:
        """End ``keep_operator_alive``."""
        self._may_die.set()

    def run(self, fault: Fault, dice: random.Random, label: str) -> Run:
        """Let a fault strike a few jobs, and judge what was recorded."""
        begun = struck = time.monotonic()
        self.dice = dice
        self._ready(fault)
        names = [f"{label}-{script}" for script in (*(fault.scripts or USUAL), "canary")]
        self.names = names[:-1]
        result = Run(fault.name, steps_lost=0)
        try:
            if fault.seconds is None:
                fault.strike(self)
            for name in self.names:
                self._submit(name)
            struck = self._disturb(fault, names[-1])
            self._wait_until_ended(names)
        except (AssertionError, client.ApiException, HTTPError, LabError) as error:
            result.problems.append(str(error))
        finally:
            if fault.seconds is None:
                fault.heal(self)
        self._judge(result, fault, names, struck)
        result.took = time.monotonic() - begun
        return result

    def _ready(self, fault: Fault) -> None:
        """One operator leads, with the lease that the fault asks for."""
        self.network.heal()
        self.network.disturbed.clear()
        if self.operator is not None and (self._lease_seconds != fault.lease_seconds or not self.operator.running):
            self.operator.stop()
            self.operator = None
        self._lease_seconds = fault.lease_seconds
        self.operator = self.operator or self.new_operator()
        self.operator.wait_until_leading()

    def _disturb(self, fault: Fault, canary: str) -> float:
        """Strike and heal, and submit one more job at the moment of the strike, which is returned."""
        if fault.seconds is None:
            self._submit(canary)
            return time.monotonic()
        _pass(self.dice.uniform(0, _MOMENTS_SECONDS))
        struck = time.monotonic()
        submission = threading.Thread(target=self._submit, args=(canary,))
        fault.strike(self)
        submission.start()
        _pass(self.dice.uniform(*fault.seconds))
        fault.heal(self)
        submission.join(60)
        return struck

    def _submit(self, name: str) -> None:
        """Apply a job, again and again while the API server is away."""
        body = manifest(name, NAMESPACE, SCRIPTS[name.rpartition("-")[2]])

        def applied() -> bool:
            try:
                self.custom.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, body, _request_timeout=5)
            except client.ApiException as error:
                return error.status == 409
            except (HTTPError, OSError):
                return False
            return True

        wait_for(f"{name} to be accepted", applied, 90)

    def _wait_until_ended(self, names: Sequence[str]) -> None:
        phases: dict[str, str] = {}

        def ended() -> bool:
            phases.clear()
            history = self.recorder.history()
            for change in history.changes:
                if change.kind == KIND:
                    phases[change.name] = change.status.get("phase", "")
            return all(phases.get(name) in FINISHED for name in names)

        wait_for("all jobs to end", ended, _PATIENCE_SECONDS, 0.25, lambda: str({n: phases.get(n) for n in names}))

    def _judge(self, result: Run, fault: Fault, names: Sequence[str], struck: float) -> None:
        self.recorder.catch_up()
        history = self.recorder.history()
        for name in names:
            result.problems += problems(history, name, SCRIPTS[name.rpartition("-")[2]].expected)
        if fault.seconds is None and not self.network.disturbed:
            result.problems.append("the fault did not take place: no request was disturbed")
        result.seconds = _until_running(history, names[-1], struck)
        for name in names:
            with suppress(client.ApiException):
                self.custom.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, name)
        if not result.problems:
            self.recorder.forget()


def _until_running(history: History, job: str, since: float) -> float | None:
    """Seconds until a pod of the job's first attempt runs."""
    running = (pod.seconds for pod in history.of_job(job).pods() if pod.status.get("phase") in {"Running", "Succeeded"})
    first = next(running, None)
    return None if first is None else first - since


def _pass(seconds: float) -> None:
    """A fault is a length of time, so here time is what is waited for."""
    threading.Event().wait(seconds)
