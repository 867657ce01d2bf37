"""Reading Kubernetes objects as the plain dictionaries that the API server sends."""

from datetime import UTC, datetime
from typing import Any

Manifest = dict[str, Any]


def name_of(manifest: Manifest) -> str:
    """Return the object's name."""
    return str(manifest["metadata"]["name"])


def namespace_of(manifest: Manifest) -> str:
    """Return the object's namespace."""
    return str(manifest["metadata"]["namespace"])


def uid_of(manifest: Manifest) -> str:
    """Return the object's uid."""
    return str(manifest["metadata"]["uid"])


def key_of(manifest: Manifest) -> str:
    """Return ``namespace/name``."""
    return f"{namespace_of(manifest)}/{name_of(manifest)}"


def timestamp(moment: datetime) -> str:
    """Return a moment as Kubernetes writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime) -> str:
    """Return a moment as Kubernetes' MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> datetime:
    """Read what ``timestamp`` wrote."""
    return datetime.fromisoformat(text)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
