"""The measurement of one number of jobs: bare objects first, then the operator on a new control plane."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from scale import manifests
from scale.api import Api, Phases, all_at_once, until
from scale.cluster import ScaleCluster
from scale.manifests import JOBS_PATH, NAMESPACE, PODS
from scale.operators import MeasuredOperator, total
from scale.report import Row, percentile

_PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
_GANGS_PATH = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_GANGS = "posefleet.io/component=attempt"
_LONGEST_SECONDS = 1500.0
_SCRAPE_SECONDS = 15.0
#: Columns of ``kubectl get`` with the phase of a pod, of a PoseTrainingJob, and of the Job of a gang.
_POD_STATUS, _JOB_PHASE, _GANG_STATUS = 2, 1, 1
_SINGLE_APPLIES = 20


@dataclass(frozen=True)
class Options:
    """What is measured."""

    jobs: int
    #: Number of jobs that have finished when single jobs are applied.
    finished: int
    steady_seconds: float
    #: Number of gangs that lose a pod, two a second.
    failures: int


@dataclass
class Measured:
    """The figures of one measurement."""

    options: Options
    bare_seconds: float | None = None
    seconds: float | None = None
    requests_per_job: float | None = None
    start_cpu_seconds: float | None = None
    steady_cpu_percent: float | None = None
    polls_per_second: float = 0.0
    writes_per_second: float = 0.0
    applies: list[float] = field(default_factory=list)
    #: From the event that tells that a gang has ended, and from the failure of its pod, to the status that says so.
    statuses: list[float] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    takeover_seconds: float | None = None
    peaks: list[float] = field(default_factory=list)
    iterations: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Return the table."""
        options = self.options
        return [
            Row("all Running, with the operator", self.seconds, "s"),
            Row("all Running, the same objects created bare", self.bare_seconds, "s"),
            Row("ratio of the two", self._ratio, "", 1.5),
            Row("operator's CPU until all run", self.start_cpu_seconds, "s"),
            Row("operator's peak memory", max(self.peaks, default=None), "MB", 300, "leader and former standby"),
            Row(
                "operator's CPU while all run", self.steady_cpu_percent, "% of a core", 5,
                f"{self.polls_per_second:.0f} polls and {self.writes_per_second:.0f} status writes a second",
            ),
            Row("event to status write, p99", percentile(self.statuses, 99), "s", 1, f"{len(self.statuses)} events"),
            Row("failure of a pod to status write, p99", percentile(self.failures, 99), "s"),
            Row("apply to pod created, p50", percentile(self.applies, 50), "s", 0.3, f"{options.finished} finished"),
            Row("standby takes over", self.takeover_seconds, "s", 15),
            Row("longest iteration of an event loop", self._longest, "ms", 200),
            Row("API requests of the operator per job", self.requests_per_job, ""),
        ]  # fmt: skip

    @property
    def _longest(self) -> float | None:
        return 1000 * max(self.iterations) if self.iterations else None

    @property
    def _ratio(self) -> float | None:
        return self.seconds / self.bare_seconds if self.seconds and self.bare_seconds else None


async def measure(measured: Measured, directory: Path) -> None:
    """Measure one number of jobs. All files are written to the directory."""
    options = measured.options
    with ScaleCluster(directory / "bare", options.jobs, options.jobs) as cluster:
        async with Api(cluster.plane) as api:
            measured.bare_seconds = await _bare(api, options.jobs)
    print(f"{options.jobs} jobs: bare objects run after {measured.bare_seconds:.1f} s", flush=True)
    everything = options.jobs + options.finished + _SINGLE_APPLIES
    with ScaleCluster(directory / "operator", options.jobs, everything) as cluster:
        async with Api(cluster.plane) as api:
            await Session(cluster, api, measured, directory).run()


async def _bare(api: Api, jobs: int) -> float:
    """Create the objects of all jobs without an operator, and return the seconds until all pods run."""
    pods, training_jobs = Phases(_POD_STATUS), Phases(_JOB_PHASE)
    watches = _watches(api, pods, training_jobs)
    owner, children = manifests.training_job(), manifests.children()

    async def create(name: str) -> None:
        created = await api.post(owner.path, owner.of(name))
        for child in children:
            await api.post(child.path, child.of(name, created["metadata"]["uid"]))

    began = time.monotonic()
    try:
        await all_at_once(create(f"job-{number}") for number in range(jobs))
        await until("all bare pods run", lambda: pods.count("Running") >= jobs * PODS, _LONGEST_SECONDS)
        return time.monotonic() - began
    finally:
        await _end(watches)


class Session:
    """The phases of a measurement with the operator."""

    def __init__(self, cluster: ScaleCluster, api: Api, measured: Measured, directory: Path) -> None:
        self._cluster = cluster
        self._api = api
        self._measured = measured
        self._options = measured.options
        self._directory = directory
        self._pods, self._jobs, self._gangs = Phases(_POD_STATUS), Phases(_JOB_PHASE), Phases(_GANG_STATUS)
        self._next = 0

    async def run(self) -> None:
        """Take all figures."""
        kubeconfig = await self._cluster.operator_kubeconfig()
        leader = MeasuredOperator(self._directory, "leader", kubeconfig)
        standby = MeasuredOperator(self._directory, "standby", kubeconfig)
        watches = _watches(self._api, self._pods, self._jobs)
        watches.append(asyncio.create_task(self._api.watch(_GANGS_PATH, _GANGS, self._gangs.seen)))
        try:
            leader.start()
            await until("the operator leads", lambda: leader.state() == "leading", 60)
            for phase in (self._start_all, self._steady, self._apply_singly, self._fail_pods):
                await phase(leader)
                print(f"  {phase.__name__.strip('_')} done", flush=True)
            await self._take_over(leader, standby)
        finally:
            leader.stop()
            standby.stop()
            await _end(watches)

    async def _start_all(self, leader: MeasuredOperator) -> None:
        requests, cpu = _requests(leader), leader.cpu_seconds()
        began = time.monotonic()
        await self._submit(self._options.jobs)
        await until("all jobs run", lambda: self._jobs.count("Running") >= self._options.jobs, _LONGEST_SECONDS)
        self._measured.seconds = time.monotonic() - began
        self._measured.start_cpu_seconds = leader.cpu_seconds() - cpu
        self._measured.requests_per_job = (_requests(leader) - requests) / self._options.jobs
        seconds, cpu = self._measured.seconds, self._measured.start_cpu_seconds
        print(f"  all run after {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)

    async def _submit(self, count: int, ends: bool = False) -> list[str]:
        names = [f"job-{number}" for number in range(self._next, self._next + count)]
        self._next += count
        job = manifests.training_job(ends)
        await all_at_once(self._api.post(job.path, job.of(name)) for name in names)
        return names

    async def _steady(self, leader: MeasuredOperator) -> None:
        """Measure CPU while all jobs run, their progress changes, and Prometheus scrapes."""
        await self._rest()
        cpu, answered, events = leader.cpu_seconds(), self._cluster.answered(), self._jobs.events
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self._options.steady_seconds:
            await asyncio.to_thread(leader.metrics)
            await asyncio.sleep(min(_SCRAPE_SECONDS, self._options.steady_seconds - passed))
        passed = time.monotonic() - began
        self._measured.steady_cpu_percent = 100 * (leader.cpu_seconds() - cpu) / passed
        self._measured.polls_per_second = (self._cluster.answered() - answered) / passed
        self._measured.writes_per_second = (self._jobs.events - events) / passed

    async def _rest(self) -> None:
        """Wait until the controllers have done what follows the start of pods: no pod changes for three seconds."""
        last, since = -1, time.monotonic()

        def quiet() -> bool:
            nonlocal last, since
            if self._pods.events != last:
                last, since = self._pods.events, time.monotonic()
            return time.monotonic() - since > 3.0

        await until("pods rest", quiet, 120)

    async def _apply_singly(self, leader: MeasuredOperator) -> None:
        """Apply one job after the other beside those that run and those that have finished."""
        await self._submit(self._options.finished, ends=True)
        await until("jobs finish", lambda: self._jobs.count("Succeeded") >= self._options.finished, _LONGEST_SECONDS)
        await self._rest()
        for _ in range(_SINGLE_APPLIES):
            began = time.monotonic()
            (name,) = await self._submit(1, ends=True)
            await until(f"a pod of {name}", lambda: self._first_pod(name) is not None, 60, 0.002)  # noqa: B023
            self._measured.applies.append((self._first_pod(name) or 0.0) - began)
        await until("the others end", lambda: self._jobs.count("Running") <= self._options.jobs, _LONGEST_SECONDS)
        await self._rest()

    def _first_pod(self, job: str) -> float | None:
        return next((at for pod, at in self._pods.first_seen.items() if pod.startswith(f"{job}-prepare-")), None)

    async def _fail_pods(self, leader: MeasuredOperator) -> None:
        """Let pods fail, two a second, and measure how long it takes until the status of their jobs says so.

        A gang has ended when its Job says that it failed, which the Job controller writes after the last pod has ended.
        """
        step = max(1, self._options.jobs // self._options.failures)
        names = [f"job-{number}" for number in range(0, self._options.jobs, step)][: self._options.failures]
        pods = await self._api.get(f"{_PODS_PATH}?labelSelector=batch.kubernetes.io/job-completion-index=1,{_GANGS}")
        pod_of = {pod["metadata"]["labels"]["posefleet.io/job"]: pod["metadata"]["name"] for pod in pods["items"]}
        failed_at: dict[str, float] = {}
        for name in names:
            began = time.monotonic()
            await self._api.patch(f"{_PODS_PATH}/{pod_of[name]}/status", {"status": _failed()})
            failed_at[name] = time.monotonic()
            await asyncio.sleep(max(0.0, 0.5 - (failed_at[name] - began)))
        left = self._jobs.left_at
        await until("statuses", lambda: all(left.get(n, 0.0) > failed_at[n] for n in names), 60)
        await until("gangs run again", lambda: self._jobs.count("Running") >= self._options.jobs, _LONGEST_SECONDS)
        self._measured.statuses = [left[n] - self._gangs.failed_at[f"{n}-a1"] for n in names]
        self._measured.failures = [left[n] - failed_at[n] for n in names]

    async def _take_over(self, leader: MeasuredOperator, standby: MeasuredOperator) -> None:
        """Kill the leader, and measure how long it takes until the standby has acted on a job that is applied then."""
        standby.start()
        await until("a standby", lambda: standby.state() == "standby", 60)
        await self._standby_rests(standby)
        self._note(leader)
        leader.kill()
        began = time.monotonic()
        (name,) = await self._submit(1)
        acted = lambda: self._jobs.of.get(name, "") not in {"", "None", "<none>"}  # noqa: E731
        await until("the standby acts", acted, 120, 0.02)
        await until("the standby leads", lambda: standby.state() == "leading", 120, 0.02)
        self._measured.takeover_seconds = time.monotonic() - began
        # Its first comparison with the cluster comes after 15 seconds.
        await asyncio.sleep(20)
        self._note(standby)

    async def _standby_rests(self, standby: MeasuredOperator) -> None:
        """Wait until the standby has done what it does beforehand: it uses hardly any CPU for two seconds."""
        used, deadline = standby.cpu_seconds(), time.monotonic() + 120
        while time.monotonic() < deadline:
            await asyncio.sleep(2)
            if standby.cpu_seconds() - used < 0.5:
                return
            used = standby.cpu_seconds()

    def _note(self, operator: MeasuredOperator) -> None:
        """Take the figures that an operator has at its end."""
        self._measured.peaks.append(operator.peak_megabytes())
        self._measured.iterations.append(operator.total("posefleet_event_loop_longest_iteration_seconds"))
        print(
            f"  peak memory {self._measured.peaks[-1]:.0f} MB, longest iteration {self._measured.iterations[-1]:.3f} s"
        )


def _watches(api: Api, pods: Phases, training_jobs: Phases) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(api.watch(_PODS_PATH, "posefleet.io/job", pods.seen)),
        asyncio.create_task(api.watch(JOBS_PATH, "", training_jobs.seen)),
    ]


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _requests(operator: MeasuredOperator) -> float:
    """Return how many requests an operator has sent, without those for its Lease and for watches."""
    return total(operator.metrics(), "posefleet_api_requests_total", lambda labels: 'resource="leases"' not in labels)


def _failed() -> dict[str, object]:
    ended = {
        "exitCode": 1,
        "reason": "Error",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:01Z",
    }
    container = {
        "name": "trainer", "image": "posefleet-trainer", "imageID": "posefleet-trainer", "ready": False,
        "restartCount": 0, "state": {"terminated": ended},
    }  # fmt: skip
    return {"phase": "Failed", "containerStatuses": [container]}
