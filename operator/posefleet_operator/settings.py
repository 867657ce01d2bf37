"""The settings of the operator process, from command-line arguments and environment variables."""

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from posefleet_operator.trainer_defaults import TrainerDefaults, read_defaults

LogFormat = Literal["auto", "json", "text"]
PullPolicy = Literal["IfNotPresent", "Always", "Never"]
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"


@dataclass(frozen=True)
class Settings:
    """The settings of the operator process."""

    trainer_image: str = "posefleet-trainer"
    #: Namespaces to serve. Empty for all namespaces of the cluster.
    namespaces: tuple[str, ...] = ()
    #: Path of a kubeconfig file. Empty for the pod's service account, or otherwise for the file that kubectl would use.
    kubeconfig: str = ""
    lease_namespace: str = "default"
    lease_name: str = "posefleet-operator"
    #: A standby takes over when the leader has not renewed the Lease for this long.
    lease_seconds: float = 10.0
    http_host: str = "0.0.0.0"  # noqa: S104  probes and Prometheus come from other machines
    http_port: int = 8080
    #: Seconds between two reconciles of an unchanged job, and between two full lists of the cluster.
    resync_seconds: float = 300.0
    #: Seconds between two polls of a job's progress.
    progress_seconds: float = 5.0
    #: Seconds between two looks at the places of waiting jobs in the queues of Kueue. 0 to show no places.
    queue_position_seconds: float = 0.0
    #: A job that would lose this much training if it were preempted is preempted after those that would lose less; see
    #: ``policies/priority_boost.py``. 0 to leave the choice to Kueue.
    priority_boost_seconds: float = 0.0
    image_pull_policy: PullPolicy = "IfNotPresent"
    #: User and group of the trainer, as in its image. Another image may need another number, but not 0.
    run_as_user: int = 65532
    #: Defaults for what a manifest leaves out.
    trainer_defaults: TrainerDefaults = field(default_factory=TrainerDefaults)
    log_format: LogFormat = "auto"
    log_level: str = "INFO"
    #: Name of this process among the candidates for the Lease.
    identity: str = field(default_factory=_identity)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings. Arguments take precedence over ``POSEFLEET_*`` variables, and those over defaults.

    Raises:
        InvalidDefaults: if the file of trainer defaults cannot be used.
    """
    options = _parser(environment).parse_args(arguments)
    return Settings(
        trainer_image=options.trainer_image,
        namespaces=tuple(name for name in options.namespaces.split(",") if name),
        kubeconfig=options.kubeconfig,
        lease_namespace=options.lease_namespace,
        lease_name=options.lease_name,
        lease_seconds=options.lease_seconds,
        http_host=options.http_host,
        http_port=options.http_port,
        resync_seconds=options.resync_seconds,
        progress_seconds=options.progress_seconds,
        queue_position_seconds=options.queue_position_seconds,
        priority_boost_seconds=options.priority_boost_seconds,
        image_pull_policy=options.image_pull_policy,
        run_as_user=options.run_as_user,
        trainer_defaults=read_defaults(Path(options.trainer_defaults))
        if options.trainer_defaults
        else TrainerDefaults(),
        log_format=options.log_format,
        log_level=options.log_level.upper(),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="posefleet-operator",
        description="Run PoseTrainingJobs. Every option can be given as POSEFLEET_<OPTION> in the environment.",
    )
    parser.add_argument("command", nargs="?", choices=["run"], default="run", help="what to do (default: run)")

    def option(name: str, default: str, text: str, choices: Sequence[str] | None = None) -> None:
        variable = "POSEFLEET_" + name.upper().replace("-", "_")
        kind = type(getattr(Settings, name.replace("-", "_"), ""))
        parser.add_argument(
            f"--{name}",
            default=environment.get(variable, default),
            type=kind if kind in {int, float} else str,
            choices=choices,
            help=f"{text} (default: {default or 'none'})",
        )

    option("trainer-image", Settings.trainer_image, "image of the trainer pods")
    option("namespaces", "", "namespaces to serve, separated by commas; empty for all")
    option("kubeconfig", "", "kubeconfig file; empty for the pod's service account or the file that kubectl would use")
    option("lease-namespace", _own_namespace(), "namespace of the leader's Lease")
    option("lease-name", Settings.lease_name, "name of the leader's Lease")
    option("lease-seconds", str(Settings.lease_seconds), "seconds without renewal after which a standby takes over")
    option("http-host", Settings.http_host, "address for probes and metrics")
    option("http-port", str(Settings.http_port), "port for /healthz, /readyz and /metrics")
    option("resync-seconds", str(Settings.resync_seconds), "seconds between two full lists of the cluster")
    option("progress-seconds", str(Settings.progress_seconds), "seconds between two polls of a job's progress")
    option(
        "queue-position-seconds",
        str(Settings.queue_position_seconds),
        "seconds between two looks at the places of waiting jobs in the queues of Kueue; 0 to show no places",
    )
    option(
        "priority-boost-seconds",
        str(Settings.priority_boost_seconds),
        "seconds of lost training from which Kueue preempts a job after others; 0 to leave the choice to Kueue",
    )
    option(
        "image-pull-policy",
        "IfNotPresent",
        "image pull policy of the trainer pods",
        ["IfNotPresent", "Always", "Never"],
    )
    option("run-as-user", str(Settings.run_as_user), "user and group of the trainer pods")
    option("trainer-defaults", "", "YAML file with the trainer pods' storage, resources, pod, gpuModelLabel")
    option("log-format", "auto", "auto is text on a terminal and JSON lines elsewhere", ["auto", "json", "text"])
    option("log-level", "INFO", "DEBUG, INFO, WARNING or ERROR")
    return parser


def _own_namespace() -> str:
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "default"
