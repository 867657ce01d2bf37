"""The registry of reasons: every reason that an attempt, a condition or an event of a job can have, exactly once.

The outcomes of attempts, conditions, events, the labels of metrics and ``docs/troubleshooting.md`` are derived from it.
A pod can also end for a reason that the kubelet, the scheduler or another component has made up. ``reason_named``
wraps such a word, and everything that is derived from the registry treats it as the work of the cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from posefleet_api.status import AttemptOutcome

Severity = Literal["Normal", "Warning"]

#: Attempts with these outcomes count against ``failurePolicy.maxFailures``.
_COUNTED_OUTCOMES: Final = frozenset({"Failed", "Stalled"})


@dataclass(frozen=True)
class Reason:
    """A reason in CamelCase, what it means, and what the user can do about it."""

    name: str
    #: A sentence.
    meaning: str
    #: A clause that completes a message after a semicolon. Empty if there is nothing to do.
    remedy: str = ""
    #: The outcome of the attempts that end for this reason. None for a reason that ends no attempt.
    outcome: AttemptOutcome | None = None
    #: The type of the event that reports it.
    severity: Severity = "Normal"
    #: Whether it is reported as an event when it keeps an attempt from running, because a person has to act.
    needs_action: bool = False
    #: Whether another attempt would end in the same way, so that the job fails at once.
    final: bool = False
    #: Whether it is final only the second time, because a faulty node may give it as well.
    has_second_chance: bool = False
    #: Whether it appears in a condition or an attempt, and not only as the reason of an event.
    in_status: bool = True

    def __str__(self) -> str:
        """Return the name, as it appears in a status or an event."""
        return self.name

    @property
    def counts_against_budget(self) -> bool:
        """Whether an attempt that ends for this reason counts against ``failurePolicy.maxFailures``."""
        return counts_against_budget(self.outcome)


def counts_against_budget(outcome: str | None) -> bool:
    """Return whether an attempt with this outcome counts against ``failurePolicy.maxFailures``."""
    return outcome in _COUNTED_OUTCOMES


def _success(name: str, meaning: str) -> Reason:
    return Reason(name, meaning, outcome="Succeeded")


def _preemption(name: str, meaning: str, remedy: str = "") -> Reason:
    return Reason(name, meaning, remedy, outcome="Preempted", severity="Warning")


def _failure(name: str, meaning: str, remedy: str) -> Reason:
    return Reason(name, meaning, remedy, outcome="Failed", severity="Warning")


def _trouble(name: str, meaning: str, remedy: str) -> Reason:
    return Reason(name, meaning, remedy, severity="Warning", needs_action=True)


def _event(name: str, meaning: str, severity: Severity = "Normal") -> Reason:
    return Reason(name, meaning, severity=severity, in_status=False)


# Reasons for which attempts end, by their outcome.

COMPLETED = _success("Completed", "Every stage of the attempt has finished.")

PREEMPTED = _preemption(
    "Preempted", "The pods were asked to stop (SIGTERM), wrote a checkpoint and ended with exit code 75."
)
POD_DELETED = _preemption(
    "PodDeleted", "Somebody or something outside posefleet deleted a pod.", "find out who deletes pods of the namespace"
)
POD_LOST = _preemption(
    "PodLost",
    "A pod failed without an exit code, or its kubelet no longer knew its container, as after a reboot of the node.",
    "look at the node if it happens again",
)
JOB_DELETED = _preemption(
    "JobDeleted", "The Kubernetes Job of the attempt was deleted from outside.", "set spec.suspend to stop a job"
)
STORE_UNREACHABLE = _preemption(
    "StoreUnreachable",
    "The object store did not answer for longer than the trainer waits for it.",
    "check spec.storage.endpoint, the store and the NetworkPolicies between the pods and the store",
)
QUEUE_PREEMPTED = _preemption(
    "QueuePreempted",
    "Kueue took the nodes away from the job and gave them to another one.",
    "wait, or use a queue with a higher priority",
)
SUSPENDED = Reason(
    "Suspended",
    "The job was stopped by spec.suspend.",
    "set spec.suspend to false to go on, from the last checkpoint if there is one",
    outcome="Preempted",
)
GANG_INCOMPLETE = _preemption(
    "GangIncomplete",
    "Some pods of the gang never started, so that the others gave up waiting for them.",
    "check quotas and free GPUs, or ask for fewer nodes in spec.resources",
)
REPLACED = _preemption(
    "Replaced", "The manifest was changed while the pods still waited, and the next attempt follows the change."
)
PREEMPTION_BY_SCHEDULER = _preemption(
    "PreemptionByScheduler",
    "The scheduler preempted a pod for one with a higher priority.",
    "set spec.pod.priorityClassName if the job is more important",
)
EVICTION_BY_API = _preemption("EvictionByEvictionAPI", "A pod was evicted, as when a node is drained.")
DELETION_BY_TAINT_MANAGER = _preemption(
    "DeletionByTaintManager", "A pod was deleted because of a taint on its node, as when the node is not reachable."
)
DELETION_BY_POD_GC = _preemption("DeletionByPodGC", "A pod was deleted because its node no longer exists.")
TERMINATION_BY_KUBELET = _preemption(
    "TerminationByKubelet", "The kubelet ended a pod, because its node was short of a resource or shut down."
)
NODE_LOST = Reason(
    "NodeLost",
    "The node of a pod has stopped answering, so nobody can see whether the pod still runs.",
    "repair the node, delete it, or taint it with node.kubernetes.io/out-of-service if it is switched off",
    outcome="Preempted",
    severity="Warning",
    needs_action=True,
)
DISRUPTED = _preemption("Disrupted", "The cluster removed a pod and gave no reason.")

INVALID_INPUT = Reason(
    "InvalidInput",
    "The manifest or the dataset is wrong.",
    "correct what the message names; a job whose manifest was corrected before it trained starts again by itself, and "
    "any other when the annotation posefleet.io/retry is set to a new value",
    outcome="InvalidInput",
    severity="Warning",
    final=True,
)

ERROR = _failure("Error", "The trainer ended with an error that has no reason of its own.", "read the attempt's logs")
OUT_OF_MEMORY = _failure(
    "OutOfMemory", "The GPU ran out of memory.", "lower training.batchSize, or use a smaller image size or backbone"
)
NON_FINITE_LOSS = Reason(
    "NonFiniteLoss",
    "The training loss became infinite or not a number. One more attempt starts from the last checkpoint, on other "
    "nodes if there are any, because a faulty GPU can cause this as well.",
    "if it happens twice, lower training.learningRate and apply the job under another name",
    outcome="Failed",
    severity="Warning",
    final=True,
    has_second_chance=True,
)
JOB_FAILED = _failure(
    "JobFailed",
    "The Kubernetes Job of the attempt failed, and its pods were removed before the operator saw how they ended.",
    "read the attempt's logs",
)
PEER_LOST = _failure(
    "PeerLost",
    "The ranks lost their connection to each other, and no pod says why.",
    "look at the network between the nodes and at the attempt's logs",
)
PREFLIGHT_FAILED = _failure(
    "PreflightFailed",
    "The check of GPU, network, store and disk before training found a fault.",
    "repair or cordon the node that the message names",
)
OOM_KILLED = _failure(
    "OOMKilled",
    "A pod used more memory than it may.",
    "raise resources.memoryPerNode or lower training.batchSize",
)
KILLED = _failure(
    "Killed",
    "A process was killed (exit code 137) for a reason that is not known, most often lack of memory.",
    "raise resources.memoryPerNode, and look at the kernel log of the node",
)
EVICTED = _failure(
    "Evicted",
    "A pod exceeded its own limit of local disk or memory. If its node was under pressure instead, the attempt is "
    "Preempted and does not count.",
    "raise resources.cachePerNode or resources.memoryPerNode",
)

STALLED = Reason(
    "Stalled",
    "No training step finished for failurePolicy.stallSeconds.",
    "`kubectl logs` may say why",
    outcome="Stalled",
    severity="Warning",
)
DEADLINE_EXCEEDED = Reason(
    "DeadlineExceeded",
    "The job did not finish within activeDeadlineSeconds.",
    "raise activeDeadlineSeconds and set the annotation posefleet.io/retry to a new value",
    outcome="DeadlineExceeded",
    severity="Warning",
)

# Reasons of conditions alone.

NOT_STARTED = Reason("NotStarted", "The job has not come this far yet.")
IN_PROGRESS = Reason("InProgress", "The job has not finished.")
NOT_SUSPENDED = Reason("NotSuspended", "The field spec.suspend is false.")
UP_TO_DATE = Reason("UpToDate", "What runs of the job follows the manifest as it is now.")
APPLIES_TO_NEXT_ATTEMPT = Reason(
    "AppliesToNextAttempt",
    "Parts of the manifest were changed while an attempt ran, which goes on with the former ones.",
    "to apply them at once, set spec.suspend to true and, when the job is suspended, to false",
)
PREPARING = Reason("Preparing", "The data are being checked and prepared.")
PREPARED = Reason("Prepared", "The data are prepared.")
DATA_CHANGED = Reason("DataChanged", "The manifest was changed, so the data are prepared again.")
PREPARE_FAILED = Reason(
    "PrepareFailed",
    "A try of the preparation failed. After failurePolicy.maxFailures tries the job fails.",
    "read the log of the preparation, `prepare/<n>.log` in the output, remove the cause, and set the annotation "
    "posefleet.io/retry to a new value",
    severity="Warning",
)
PODS_STARTING = Reason("PodsStarting", "The pods have been created, and not all of them run yet.")
WAITING_FOR_QUEUE = Reason(
    "WaitingForQueue", "Kueue has not admitted the job yet.", "wait, or look at the quota of the queue"
)
ALL_PODS_RUN = Reason("AllPodsRun", "All pods of the attempt run.")
BACKING_OFF = Reason("BackingOff", "The last attempt ended early, and the next one starts after a pause.")
STOPPING_OLD_PODS = Reason(
    "StoppingOldPods",
    "Pods of the attempt before, or of a deleted job of the same name, still run.",
    "the next ones start when these have ended",
    severity="Warning",
)
ATTEMPTS_EXHAUSTED = Reason(
    "AttemptsExhausted",
    "As many attempts failed as failurePolicy.maxFailures allows.",
    "remove the cause that the message names, then set the annotation posefleet.io/retry to a new value",
    severity="Warning",
)
SAME_FAILURE_TWICE = Reason(
    "SameFailureTwice",
    "Two failures in a row were the same, with the same message at the same step, so another attempt would end in the "
    "same way.",
    "remove the cause that the message names, then set the annotation posefleet.io/retry to a new value",
    severity="Warning",
)
SUSPENDING = Reason(
    "Suspending", "The job is being suspended, and its pods end. Those that train write a checkpoint before."
)
RESUMED = Reason("Resumed", "The job is no longer suspended and goes on, from its last checkpoint if it has one.")
REOPENED = Reason("Reopened", "The job had failed and was reopened by the annotation posefleet.io/retry.")
SUCCEEDED = Reason("Succeeded", "The job has finished; status.artifacts names its results.")

# Reasons of conditions that a person has to act on.

UNSCHEDULABLE = _trouble(
    "Unschedulable",
    "No node has room for a pod.",
    "it starts as soon as a node has room; otherwise change spec.resources or the queue",
)
SLOW_START = _trouble(
    "SlowStart", "A pod takes long to start, or a Job has no pods.", "`kubectl describe` on the named object says why"
)
WAITING_FOR_OLD_PODS = _trouble(
    "WaitingForOldPods",
    "Pods that should have ended long ago still run, as on a node that is lost.",
    "if their node will not come back, delete them with `kubectl delete --force`",
)
INCOMPLETE = _trouble(
    "Incomplete",
    "The trainer defaults of the operator have changed and no longer complete the job.",
    "add to the manifest what the message names, or ask your cluster administrator to set it",
)
REFUSED = _trouble(
    "Refused",
    "The API server refuses an object that the job needs.",
    "correct spec.pod or spec.resources, or ask your cluster administrator",
)
NAME_CONFLICT = _trouble(
    "NameConflict",
    "An object that does not belong to the job has the name of one that the job needs.",
    "rename or delete that object, or apply the job under another name",
)
NOT_UNDERSTOOD = _trouble(
    "NotUnderstood",
    "This version of the operator cannot read the manifest or the status of the job, or cannot write the status. "
    "Suspending and deleting the job and its deadline work all the same.",
    "run the version of the operator that belongs to the CustomResourceDefinition, or delete the job",
)
VOLUMES_MISSING = _trouble(
    "VolumesMissing",
    "A node cannot mount the volumes of a pod, most often because the Secret of spec.storage.caSecretRef is missing.",
    "create the Secret that the message names",
)
_IMAGE_REMEDY = "correct the operator's trainer image, or pod.imagePullSecrets"
ERR_IMAGE_PULL = _trouble("ErrImagePull", "A node cannot pull the trainer's image.", _IMAGE_REMEDY)
IMAGE_PULL_BACK_OFF = _trouble(
    "ImagePullBackOff", "A node failed to pull the trainer's image and waits.", _IMAGE_REMEDY
)
INVALID_IMAGE_NAME = _trouble("InvalidImageName", "The name of the trainer's image is not valid.", _IMAGE_REMEDY)
ERR_IMAGE_NEVER_PULL = _trouble(
    "ErrImageNeverPull", "The trainer's image is not on the node, and the pull policy is Never.", _IMAGE_REMEDY
)
_CONFIGURATION_REMEDY = "create what is missing"
CREATE_CONTAINER_CONFIG_ERROR = _trouble(
    "CreateContainerConfigError",
    "A Secret or ConfigMap that a container refers to is missing, or lacks a key.",
    _CONFIGURATION_REMEDY,
)
CREATE_CONTAINER_ERROR = _trouble(
    "CreateContainerError", "The container runtime cannot create a container.", _CONFIGURATION_REMEDY
)
PROGRESS_UNKNOWN = _trouble(
    "ProgressUnknown",
    "The attempt runs, but the operator cannot read its progress, so it would not notice a stall.",
    "let the operator reach that port (NetworkPolicies), keep other servers off it, or bring operator and trainer "
    "image to one version",
)
MANY_SILENT = _trouble(
    "ManySilent",
    "The attempt made no step for failurePolicy.stallSeconds, but neither did most others, so it is not ended for it.",
    "look at what the jobs have in common: the object store, the network and the nodes",
)

# Reasons of events alone.

PREPARE_STARTED = _event("PrepareStarted", "A try of the preparation has started.")
DATA_WARNING = _event("DataWarning", "The preparation dropped or ignored something in the dataset.", "Warning")
ATTEMPT_STARTED = _event("AttemptStarted", "The pods of an attempt have been created.")
ATTEMPT_RUNNING = _event("AttemptRunning", "All pods of an attempt run.")
TRAINING_WARNING = _event("TrainingWarning", "The trainer ignored something, such as a damaged checkpoint.", "Warning")
TRAINING = _event("Training", "The attempt has reached the training stage.")
PREDICTING = _event("Predicting", "The attempt has reached the prediction stage.")
REPORTING = _event("Reporting", "The attempt has reached the report stage.")
CHECKPOINT_TAKEN = _event(
    "CheckpointTaken", "A checkpoint was taken because of the annotation posefleet.io/checkpoint-now."
)
CHECKPOINT_NOT_TAKEN = _event(
    "CheckpointNotTaken", "The annotation posefleet.io/checkpoint-now was set while no attempt ran."
)
RETRY_IGNORED = _event("RetryIgnored", "The annotation posefleet.io/retry was set on a job that has not failed.")
RETRY_REFUSED = _event(
    "RetryRefused", "The annotation posefleet.io/retry was set on a job whose manifest is not valid.", "Warning"
)
ATTEMPT_SUCCEEDED = _event("AttemptSucceeded", "An attempt has succeeded.")
ATTEMPT_PREEMPTED = _event("AttemptPreempted", "An attempt was interrupted, which does not count as a failure.")
ATTEMPT_INVALID_INPUT = _event("AttemptInvalidInput", "An attempt found that its input is wrong.", "Warning")
ATTEMPT_FAILED = _event("AttemptFailed", "An attempt has failed.", "Warning")
ATTEMPT_STALLED = _event("AttemptStalled", "An attempt was ended because it stalled.", "Warning")
ATTEMPT_DEADLINE_EXCEEDED = _event("AttemptDeadlineExceeded", "An attempt was ended by the deadline.", "Warning")

#: All reasons by name, in the order of this file.
REGISTRY: Final[Mapping[str, Reason]] = MappingProxyType(
    {value.name: value for value in tuple(globals().values()) if isinstance(value, Reason)}
)


def reasons_by_outcome() -> dict[AttemptOutcome, tuple[str, ...]]:
    """Return the names of the reasons for which attempts end, by outcome."""
    outcomes: tuple[AttemptOutcome, ...] = get_args(AttemptOutcome)
    return {
        outcome: tuple(reason.name for reason in REGISTRY.values() if reason.outcome == outcome) for outcome in outcomes
    }
