"""Directories and private files of the lab."""

import os
from collections.abc import Mapping
from pathlib import Path

GO_MODULES = Path(__file__).resolve().parents[1]


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return ``$POSEFLEET_CACHE``, or else ``posefleet`` in the user's cache directory."""
    if chosen := environ.get("POSEFLEET_CACHE"):
        return Path(chosen)
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "posefleet"


def cluster_directory(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of the cluster ``name`` under the cache directory."""
    return cache_directory(environ) / "clusters" / name


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path
