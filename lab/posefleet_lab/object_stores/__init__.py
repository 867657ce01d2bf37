"""Object stores of two vendors, MinIO and SeaweedFS, with one interface."""

from pathlib import Path

from ..errors import LabError
from ..tools.build_once import Report, quiet
from .base import Credentials, ObjectStore
from .minio import MinioStore
from .seaweedfs import SeaweedStore

VENDORS = ("minio", "seaweedfs")

__all__ = ["VENDORS", "Credentials", "MinioStore", "ObjectStore", "SeaweedStore", "object_store"]


def object_store(vendor: str, directory: Path, report: Report = quiet, address: str = "127.0.0.1") -> ObjectStore:
    """Return a store, not yet started, that keeps its data in ``directory``.

    Raises:
        LabError: ``vendor`` is neither ``minio`` nor ``seaweedfs``.
    """
    if vendor == "minio":
        return MinioStore(directory, report, address)
    if vendor == "seaweedfs":
        return SeaweedStore(directory, report, address)
    raise LabError(f"there is no store {vendor!r}; there are {', '.join(VENDORS)}")
