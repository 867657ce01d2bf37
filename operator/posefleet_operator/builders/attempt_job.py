"""The Indexed Job of an attempt, with one pod per node, and the Service that gives these pods their names."""

from collections.abc import Mapping, Sequence

from posefleet_api.constants import (
    ANNOTATION_FINGERPRINT,
    ANNOTATION_GPUS,
    ANNOTATION_HELD,
    ANNOTATION_SPEC_PARTS,
    ANNOTATION_TAKEN_OVER,
    COMPONENT_ATTEMPT,
    ENV_NODES,
    ENV_PROCESSES_PER_NODE,
    ENV_RENDEZVOUS_HOST,
    ENV_RENDEZVOUS_PORT,
    JOB_FILE,
    LABEL_JOB,
    LABEL_JOB_UID,
    TRAINER_PORT,
    TRAINER_PORT_NAME,
)
from posefleet_api.job import PoseTrainingJob
from posefleet_api.resources import Resources
from posefleet_operator.builders.names import labels, metadata, rendezvous_port
from posefleet_operator.builders.pod_template import Role, pod_failure_policy, pod_template
from posefleet_operator.cluster.kueue import QUEUE_LABEL
from posefleet_operator.cluster.objects import Manifest, attempt_name
from posefleet_operator.fingerprints import encode_parts
from posefleet_operator.settings import Settings


def attempt_job(
    job: PoseTrainingJob,
    number: int,
    fingerprint: str,
    spec_parts: Mapping[str, str],
    settings: Settings,
    avoided_nodes: Sequence[str] = (),
) -> Manifest:
    """Return the Indexed Job whose pods train together.

    It is created suspended, outside of any queue and with a mark that it is held, and starts only when ``release`` is
    applied to it. See docs/design/fencing.md.

    Args:
        job: the job, with all defaults.
        number: number of the attempt.
        fingerprint: hash of the data and the training that it is created for.
        spec_parts: hash of each part of the author's spec, by its name.
        settings: the operator's settings.
        avoided_nodes: names of nodes that may be faulty. Pods run on them only if no other node has room.
    """
    nodes = job.spec.resources.nodes
    child = {
        **metadata(job, COMPONENT_ATTEMPT, number),
        "annotations": {
            ANNOTATION_GPUS: str(job.spec.resources.gpus),
            ANNOTATION_FINGERPRINT: fingerprint,
            ANNOTATION_SPEC_PARTS: encode_parts(spec_parts),
            ANNOTATION_HELD: "true",
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": child,
        "spec": {
            "completionMode": "Indexed",
            "completions": nodes,
            "parallelism": nodes,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": pod_failure_policy(queued=bool(job.spec.queue)),
            "suspend": True,
            "template": pod_template(job, _role(job, number, settings, avoided_nodes), settings),
        },
    }


def release(queue: str) -> Manifest:
    """Return the merge patch that lets a held Job start, or that hands it over to a queue of Kueue."""
    marks: Manifest = {"annotations": {ANNOTATION_HELD: None}}
    if queue:
        return {"metadata": {**marks, "labels": {QUEUE_LABEL: queue}}}
    return {"metadata": marks, "spec": {"suspend": False}}


def hand_over(number: int) -> Manifest:
    """Return the merge patch that marks a suspended Job as taken over by another attempt."""
    return {"metadata": {"annotations": {ANNOTATION_TAKEN_OVER: str(number)}}}


def _role(job: PoseTrainingJob, number: int, settings: Settings, avoided_nodes: Sequence[str]) -> Role:
    pod: Manifest = {
        "subdomain": attempt_name(job.metadata.name, number),
        "topologySpreadConstraints": [_spread_over_nodes(job)],
    }
    if job.spec.resources.gpu_model:
        label = settings.trainer_defaults.gpu_model_label
        pod["nodeSelector"] = {**job.spec.pod.node_selector, label: job.spec.resources.gpu_model}
    return Role(
        component=COMPONENT_ATTEMPT,
        number=number,
        command=["posefleet-trainer", JOB_FILE, "--stages", "train,predict,report"],
        resources=_resources(job.spec.resources),
        environment=_gang_environment(job, number),
        pod=pod,
        avoided_nodes=tuple(avoided_nodes),
    )


def _gang_environment(job: PoseTrainingJob, number: int) -> list[Manifest]:
    name, resources = attempt_name(job.metadata.name, number), job.spec.resources
    return [
        {"name": ENV_NODES, "value": str(resources.nodes)},
        {"name": ENV_PROCESSES_PER_NODE, "value": str(max(1, resources.gpus_per_node))},
        {"name": ENV_RENDEZVOUS_HOST, "value": f"{name}-0.{name}"},
        {"name": ENV_RENDEZVOUS_PORT, "value": str(rendezvous_port(job.metadata.uid, number))},
    ]


def _resources(wanted: Resources) -> Manifest:
    """Return requests that equal the limits, so that no other pod on a node slows one of the ranks down."""
    amounts = {"cpu": str(wanted.cpus_per_node), "memory": wanted.memory_per_node, **wanted.extended_resources}
    if wanted.gpus_per_node:
        amounts[wanted.gpu_resource] = str(wanted.gpus_per_node)
    return {"requests": amounts, "limits": dict(amounts)}


def _spread_over_nodes(job: PoseTrainingJob) -> Manifest:
    """Spread the pods over nodes if possible. A cluster with one node can still run several of them."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {
            "matchLabels": {LABEL_JOB: job.metadata.name, LABEL_JOB_UID: job.metadata.uid},
        },
    }


def attempt_service(job: PoseTrainingJob, number: int) -> Manifest:
    """Return the headless Service of an attempt.

    It also publishes pods that are not ready yet, because they must find each other to become ready.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, COMPONENT_ATTEMPT, number),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels(job, COMPONENT_ATTEMPT, number),
            "ports": [{"name": TRAINER_PORT_NAME, "port": TRAINER_PORT}],
        },
    }
