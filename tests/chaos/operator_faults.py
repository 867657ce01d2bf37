"""Faults of the operator, of the API server, and of the networks between them and the pods."""

import signal
from collections.abc import Callable
from contextlib import suppress

from kubernetes import client

from chaos.faults import Fault
from chaos.network import PASSES, Fate, Request
from chaos.operator_world import NAMESPACE, OperatorWorld
from posefleet_api.constants import LABEL_JOB
from support.operator_process import OperatorProcess
from support.waiting import wait_for

#: The share of the requests that fail.
_SHARE = 0.2
#: The share of the writes before which, and of those after which, the operator is killed.
_KILLED_SHARE = 0.15


def _deletes(kind: str) -> Callable[[OperatorWorld], None]:
    """Somebody deletes an object of a kind that belongs to one of the jobs, as soon as there is one."""

    def strike(world: OperatorWorld) -> None:
        calls = {
            "Pod": (world.core.list_namespaced_pod, world.core.delete_namespaced_pod),
            "Job": (world.batch.list_namespaced_job, world.batch.delete_namespaced_job),
            "ConfigMap": (world.core.list_namespaced_config_map, world.core.delete_namespaced_config_map),
            "Service": (world.core.list_namespaced_service, world.core.delete_namespaced_service),
        }
        list_all, delete = calls[kind]

        def of_the_run() -> list[str]:
            listed = list_all(NAMESPACE, label_selector=LABEL_JOB).items
            mine = [one for one in listed if one.metadata.labels[LABEL_JOB] in world.names]
            return sorted(one.metadata.name for one in mine if one.metadata.deletion_timestamp is None)

        chosen = world.dice.choice(wait_for(f"a {kind}", of_the_run, 30))
        with suppress(client.ApiException):  # it may be gone by now
            delete(chosen, NAMESPACE, propagation_policy="Background")

    return strike


def _kill(world: OperatorWorld) -> None:
    assert world.operator is not None
    world.operator.kill()


def _start(world: OperatorWorld) -> None:
    assert world.operator is not None
    world.operator.start()


def _kill_at_writes(world: OperatorWorld) -> None:
    """Kill the operator before a write reaches the API server, and another one after the API server has accepted it.

    Each write of the jobs' lives is chosen by chance. If all were, no operator would get past its first one.
    """
    chosen: dict[tuple[str, str, str], list[str]] = {}

    def kill(status: int) -> None:
        if world.operator is not None and status < 400:
            world.network.disturbed["killed"] += 1
            world.operator.kill()

    def fate(request: Request) -> Fate:
        if not request.writes:
            return PASSES
        moments = [moment for moment in ("after", "before") if world.dice.random() < _KILLED_SHARE]
        left = chosen.setdefault(request.point, moments)
        return Fate(arrives=left.pop() == "after", status=500, then=kill) if left else PASSES

    world.network.fate = fate
    world.keep_operator_alive()


def _stop_killing(world: OperatorWorld) -> None:
    world.network.heal()
    world.let_operator_die()


def _freeze(world: OperatorWorld) -> None:
    """The leader stops, and another operator takes over."""
    frozen = world.operator
    assert frozen is not None
    world.frozen, world.operator = frozen, world.new_operator()
    wait_for("a standby", lambda: world.operator is not None and world.operator.state() == "standby", 60)
    frozen.send(signal.SIGSTOP)
    world.operator.wait_until_leading()


def _thaw(world: OperatorWorld) -> None:
    frozen: OperatorProcess | None = world.frozen
    assert frozen is not None
    frozen.send(signal.SIGCONT)
    wait_for("the former leader to stand by", lambda: frozen.state() == "standby", 60)
    frozen.stop()


def _fails(status: int, only_writes: bool) -> Callable[[OperatorWorld], None]:
    """A share of the requests is answered with an error and does not arrive."""

    def strike(world: OperatorWorld) -> None:
        def fate(request: Request) -> Fate:
            spared = request.method == "GET" and only_writes
            if spared or request.watches or world.dice.random() >= _SHARE:
                return PASSES
            return Fate(arrives=False, status=status)

        world.network.fate = fate

    return strike


def _times_out(world: OperatorWorld) -> None:
    """A share of the requests gets no answer, and half of these arrive all the same."""

    def fate(request: Request) -> Fate:
        if request.watches or world.dice.random() >= _SHARE:
            return PASSES
        return Fate(arrives=world.dice.random() < 0.5, answered=False)

    world.network.fate = fate


def _heal_network(world: OperatorWorld) -> None:
    world.network.heal()


def _cut_watches(world: OperatorWorld) -> None:
    """All watches break off, and no new one is answered."""
    world.network.fate = lambda request: Fate(arrives=False, status=500) if request.watches else PASSES
    world.network.cut_watches()


FAULTS: tuple[Fault, ...] = (
    *(
        Fault(
            f"{kind.lower()}-deleted-early",
            f"a {kind} of a job is deleted while it is prepared, starts or runs",
            meaning,
            "operator",
            _deletes(kind),
            scripts=("steady1", "steady2", "steady3"),
        )
        for kind, meaning in (
            ("Pod", "The preparation or the attempt is repeated, and nothing counts."),
            ("Job", "The preparation or the attempt is repeated, and nothing counts."),
            ("ConfigMap", "Nothing. Pods that have not read it yet wait until it is created again."),
            ("Service", "Nothing, or another attempt if the ranks had not met yet."),
        )
    ),
    Fault(
        "operator-killed",
        "the operator is killed and comes back",
        "Nothing. Running jobs go on, and what changed meanwhile is found out.",
        "operator",
        _kill,
        _start,
        (0.0, 10.0),
    ),
    Fault(
        "operator-killed-at-writes",
        "the operator is killed before and after writes, 15 % each, at every write in the long run",
        "Nothing. Every write is either repeated or recognised as done.",
        "operator",
        _kill_at_writes,
        _stop_killing,
        None,
        lease_seconds=1.0,
        scripts=("crash",),
    ),
    Fault(
        "operator-frozen",
        "the leader is stopped, another one takes over, and it goes on",
        "Nothing. The former leader notices that it no longer leads.",
        "operator",
        _freeze,
        _thaw,
        (0.0, 8.0),
    ),
    Fault(
        "apiserver-restarted",
        "the API server is restarted or killed",
        "Nothing, once it is back. kubectl does not answer meanwhile.",
        "operator",
        lambda world: world.cluster.restart("apiserver", crash=world.dice.random() < 0.5),
    ),
    Fault(
        "etcd-paused",
        "etcd does not answer for 30 s",
        "Running jobs go on. Nothing starts or ends in the cluster until etcd answers.",
        "operator",
        lambda world: world.cluster.pause("etcd"),
        lambda world: world.cluster.resume("etcd"),
        (30.0, 30.0),
    ),
    *(
        Fault(
            f"api-{status}",
            f"20 % of {'writes' if only_writes else 'requests'} fail with {status}",
            "Jobs start and end some seconds later.",
            "operator",
            _fails(status, only_writes),
            _heal_network,
            None,
        )
        for status, only_writes in ((409, True), (422, True), (429, False), (500, False))
    ),
    Fault(
        "api-timeouts",
        "20 % of requests get no answer, half of them arrive",
        "Jobs start and end up to a minute later.",
        "operator",
        _times_out,
        _heal_network,
        None,
        lease_seconds=10.0,
    ),
    Fault(
        "watches-cut",
        "all watches break off and cannot be opened",
        "Jobs go on once watches can be opened again.",
        "operator",
        _cut_watches,
        _heal_network,
        (5.0, 15.0),
    ),
    Fault(
        "clock-set",
        "the operator's clock is set by up to an hour, and back",
        "Nothing. Only times in the status are wrong.",
        "operator",
        lambda world: world.shim.set_clock(world.dice.uniform(-3600, 3600)),
        lambda world: world.shim.set_clock(0),
        (5.0, 15.0),
    ),
    Fault(
        "pods-unreachable",
        "the operator cannot reach the pods",
        "Training goes on, its progress is not shown, and no attempt counts as stalled.",
        "operator",
        lambda world: world.shim.cut_off_trainers(True),
        lambda world: world.shim.cut_off_trainers(False),
        (15.0, 20.0),
        scripts=("long", "plain", "crash"),
    ),
)
