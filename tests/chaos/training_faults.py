"""Faults of ranks, pods, nodes, checkpoints and the object store."""

import os
import signal
from contextlib import suppress
from io import BytesIO

from minio import Minio

from chaos.faults import Fault, NotPossible
from chaos.training_world import STALL_SECONDS, TrainingScene
from support import disturbances
from support.disturbances import pid_of_a_rank
from support.jobs import RESULTS_BUCKET
from support.waiting import wait_for

_FAILED, _PREEMPTED = frozenset({"Failed"}), frozenset({"Preempted"})
#: The share of downloads with a changed bit.
_CORRUPT_SHARE = 0.3
_SLOW_SECONDS = 0.5
_FILLER = "filler"


def _stop_a_rank(scene: TrainingScene) -> None:
    scene.held["pid"] = pid_of_a_rank(scene)
    os.kill(scene.held["pid"], signal.SIGSTOP)


def _continue_rank(scene: TrainingScene) -> None:
    with suppress(ProcessLookupError):  # it may have been killed with its pod meanwhile
        os.kill(scene.held["pid"], signal.SIGCONT)


def _delete_config_map(scene: TrainingScene) -> None:
    attempt = scene.jobs.status(scene.name)["currentAttempt"]
    scene.jobs.kubectl("delete", "configmap", f"{scene.name}-a{attempt}", "--wait=false")


def _delete_service(scene: TrainingScene) -> None:
    attempt = scene.jobs.status(scene.name)["currentAttempt"]
    scene.jobs.kubectl("delete", "service", f"{scene.name}-a{attempt}", "--wait=false")


def _truncate_checkpoint(scene: TrainingScene) -> None:
    """The newest checkpoint loses its second half, and a rank is killed, so that the next attempt looks for it."""
    disturbances.kill_a_rank(scene)
    store, newest = _newest(scene, ".ckpt")
    half = store.get_object(RESULTS_BUCKET, newest).data
    store.put_object(RESULTS_BUCKET, newest, BytesIO(half[: len(half) // 2]), len(half) // 2)


def _delete_manifest(scene: TrainingScene) -> None:
    """The file beside the newest checkpoint that says it is complete is deleted, and a rank is killed."""
    disturbances.kill_a_rank(scene)
    store, newest = _newest(scene, ".json")
    store.remove_object(RESULTS_BUCKET, newest)


def _newest(scene: TrainingScene, suffix: str) -> tuple[Minio, str]:
    """A client of the store, and the file or the manifest of the newest checkpoint that has both."""
    store = scene.jobs.store.client()

    def complete() -> list[str]:
        listed = store.list_objects(RESULTS_BUCKET, prefix=f"{scene.name}/checkpoints/", recursive=True)
        names = {one.object_name or "" for one in listed}
        stems = {name.removesuffix(".json") for name in names if name.endswith(".json")}
        return sorted(stem for stem in stems if f"{stem}.ckpt" in names)

    return store, wait_for("a checkpoint", complete, 30)[-1] + suffix


def _fill_memory(scene: TrainingScene) -> None:
    """A rank takes more memory than its container may have."""
    os.kill(pid_of_a_rank(scene), signal.SIGUSR2)


def _fill_disk(scene: TrainingScene) -> None:
    """Nothing more fits on the disk with the caches, and half of the times a rank is killed in addition."""
    disk = scene.cluster.empty_dirs
    if disk is None:
        raise NotPossible("only root may mount a file system to fill")
    with suppress(OSError), (disk / _FILLER).open("wb") as filler:
        while True:
            filler.write(bytes(2**20))
            filler.flush()
    if scene.dice.random() < 0.5:
        disturbances.kill_a_rank(scene)


def _empty_disk(scene: TrainingScene) -> None:
    assert scene.cluster.empty_dirs is not None
    (scene.cluster.empty_dirs / _FILLER).unlink()


def _store_down(scene: TrainingScene) -> None:
    scene.store_network.down = True


def _store_slow(scene: TrainingScene) -> None:
    scene.store_network.delay_seconds = _SLOW_SECONDS


def _store_corrupt(scene: TrainingScene) -> None:
    """Downloads have changed bits, and a rank is killed, so that the next attempt downloads everything."""
    scene.store_network.dice = scene.dice
    scene.store_network.corrupt_share = _CORRUPT_SHARE
    disturbances.kill_a_rank(scene)


def _heal_store(scene: TrainingScene) -> None:
    scene.store_network.heal()


def _node_of_a_pod(scene: TrainingScene) -> str:
    """A node on which the gang runs."""
    pods = [pod for pod in scene.jobs.pods(scene.name) if pod["status"].get("phase") == "Running"]
    node = str(scene.dice.choice(pods)["spec"]["nodeName"])
    scene.held["node"] = node
    return node


def _drain(scene: TrainingScene) -> None:
    node = _node_of_a_pod(scene)
    scene.jobs.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=200s")


def _uncordon(scene: TrainingScene) -> None:
    scene.jobs.kubectl("uncordon", scene.held["node"])


def _reboot(scene: TrainingScene) -> None:
    node = _node_of_a_pod(scene)
    scene.recorder.node_died(node)
    scene.cluster.restart(node, crash=scene.dice.random() < 0.5)


def _lose_node(scene: TrainingScene) -> None:
    """A machine ends, and the cluster's administrator, or the cloud, takes it out of the cluster."""
    node = _node_of_a_pod(scene)
    scene.recorder.node_died(node)
    scene.cluster.process_node(node).kill()
    scene.jobs.kubectl("delete", "node", node, "--wait=false")


def _new_node(scene: TrainingScene) -> None:
    scene.cluster.process_node(scene.held["node"]).start()


FAULTS: tuple[Fault, ...] = (
    Fault(
        "rank-killed",
        "a rank is killed (SIGKILL)",
        "The attempt counts as failed. The next one goes on from the last checkpoint.",
        "training",
        disturbances.kill_a_rank,
        ends=_FAILED,
        failures=(1, 1),
    ),
    Fault(
        "rank-terminated",
        "a rank is asked to stop (SIGTERM)",
        "A checkpoint is written first, so nothing is lost, and nothing counts.",
        "training",
        disturbances.terminate_a_rank,
        ends=_PREEMPTED,
    ),
    Fault(
        "rank-stopped",
        "a rank hangs (SIGSTOP) for up to 150 s, with a stallSeconds of 120",
        "After stallSeconds the attempt counts as stalled. A shorter pause is waited for.",
        "training",
        _stop_a_rank,
        _continue_rank,
        (5.0, STALL_SECONDS + 30.0),
        ends=frozenset({"Stalled"}),
        failures=(0, 1),
        always_ends=False,
    ),
    Fault(
        "out-of-memory",
        "a rank takes more memory than its container may have",
        "The attempt counts as failed, with the reason OOMKilled. The next one goes on from the last checkpoint.",
        "training",
        _fill_memory,
        ends=_FAILED,
        failures=(1, 1),
    ),
    Fault(
        "pod-deleted",
        "a pod is deleted",
        "A checkpoint is written first, and nothing counts.",
        "training",
        disturbances.delete_a_pod,
        ends=_PREEMPTED,
    ),
    Fault(
        "job-deleted",
        "the Job of an attempt is deleted",
        "A checkpoint is written first, and nothing counts.",
        "training",
        disturbances.delete_the_attempts_job,
        ends=_PREEMPTED,
    ),
    Fault(
        "configmap-deleted",
        "the ConfigMap of an attempt is deleted",
        "Nothing. The pods have read it, and the next attempt has its own.",
        "training",
        _delete_config_map,
        always_ends=False,
    ),
    Fault(
        "service-deleted",
        "the Service of an attempt is deleted",
        "Nothing. The ranks are connected, and the next attempt has its own.",
        "training",
        _delete_service,
        always_ends=False,
    ),
    Fault(
        "node-drained",
        "a node is drained",
        "A checkpoint is written first, and nothing counts.",
        "training",
        _drain,
        _uncordon,
        ends=_PREEMPTED,
    ),
    Fault(
        "node-rebooted",
        "a node is restarted",
        "The next attempt goes on from the last checkpoint, and nothing counts.",
        "training",
        _reboot,
        ends=_PREEMPTED,
    ),
    Fault(
        "node-lost",
        "a node ends and is removed from the cluster",
        "The next attempt goes on elsewhere, as soon as the cluster has given the pods up. Nothing counts.",
        "training",
        _lose_node,
        _new_node,
        (5.0, 20.0),
        ends=_PREEMPTED,
    ),
    Fault(
        "checkpoint-truncated",
        "the newest checkpoint loses half of its bytes, and a rank is killed",
        "The checkpoint before it is used, and a warning says so.",
        "training",
        _truncate_checkpoint,
        ends=_FAILED,
        failures=(1, 1),
    ),
    Fault(
        "checkpoint-unlisted",
        "the manifest of the newest checkpoint is deleted, and a rank is killed",
        "The checkpoint before it is used.",
        "training",
        _delete_manifest,
        ends=_FAILED,
        failures=(1, 1),
    ),
    Fault(
        "store-down",
        "the store does not answer for up to 25 s",
        "Training goes on, and checkpoints are written later.",
        "training",
        _store_down,
        _heal_store,
        (5.0, 25.0),
        always_ends=False,
    ),
    Fault(
        "store-slow",
        "the store answers late, with 128 KB a second, for up to 25 s",
        "Training goes on, and checkpoints are complete later.",
        "training",
        _store_slow,
        _heal_store,
        (5.0, 25.0),
        always_ends=False,
    ),
    Fault(
        "store-corrupt",
        "30 % of downloads have a changed bit, and a rank is killed",
        "What was damaged is downloaded again. An attempt may fail, and its weights are never wrong.",
        "training",
        _store_corrupt,
        _heal_store,
        None,
        ends=_FAILED,
        failures=(1, 4),
    ),
    Fault(
        "cache-full",
        "the disk with the nodes' caches is full for up to 20 s, and half of the times a rank is killed",
        "Attempts may fail until there is room, and count. Then training goes on.",
        "training",
        _fill_disk,
        _empty_disk,
        (5.0, 20.0),
        ends=_FAILED,
        failures=(0, 5),
        always_ends=False,
    ),
)
