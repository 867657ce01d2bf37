"""What computed the results."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

#: Called by the first name; the first of the distributions that is installed counts.
_PACKAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("posefleet", ("posefleet",)),
    ("PyTorch", ("torch",)),
    ("Lightning", ("pytorch-lightning", "lightning")),
    ("timm", ("timm",)),
    ("DALI", ("nvidia-dali-cuda130", "nvidia-dali-cuda120")),
    ("PyAV", ("av",)),
    ("OpenCV", ("opencv-python-headless", "opencv-python")),
    ("NumPy", ("numpy",)),
)


def versions() -> dict[str, str]:
    """Name and version of the libraries, and the kind of machine."""
    found = {"Python": platform.python_version()}
    for name, distributions in _PACKAGES:
        found[name] = next((text for one in distributions if (text := _version(one))), "not installed")
    found["Computed on"] = _processor()
    return found


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    if not torch.cuda.is_available():
        return f"CPU ({platform.machine()})"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
