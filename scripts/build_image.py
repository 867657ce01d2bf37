"""Build a target of the Dockerfile with buildah or docker: ``build_image.py operator --tag localhost/operator:dev``.

The build uses this machine's pip configuration and certificates as build secrets: mirrors and private authorities
work, and nothing of them is kept in the image.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("operator", "trainer")
_PIP_CONFIGURATIONS = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")


def build_command(arguments: argparse.Namespace, environment: Mapping[str, str]) -> list[str]:
    """Return the command that builds ``arguments.target``.

    Raises:
        FileNotFoundError: where neither buildah nor docker is installed.
    """
    builder = arguments.builder or find_builder()
    build_arguments = {"VERSION": version(), "REVISION": arguments.revision}
    if arguments.base_image:
        build_arguments["BASE_IMAGE"] = arguments.base_image
    return [
        *([builder, "build", "--layers"] if builder == "buildah" else [builder, "build"]),
        *("--target", arguments.target, "--tag", arguments.tag),
        *(word for name, value in build_arguments.items() for word in ("--build-arg", f"{name}={value}")),
        *(word for name, file in secrets(environment).items() for word in ("--secret", f"id={name},src={file}")),
        *("--file", "Dockerfile", "."),
    ]


def secrets(environment: Mapping[str, str]) -> dict[str, Path]:
    """Return the paths of this machine's pip configuration and certificates by their secret names in the Dockerfile."""
    configurations = [environment.get("PIP_CONFIG_FILE"), *_PIP_CONFIGURATIONS]
    certificates = [environment.get("PIP_CERT"), environment.get("SSL_CERT_FILE")]
    found = {"pip-config": _first_file(configurations), "ca-certificates": _first_file(certificates)}
    return {name: file for name, file in found.items() if file is not None}


def _first_file(names: Sequence[str | None]) -> Path | None:
    files = (Path(name).expanduser() for name in names if name)
    return next((file for file in files if file.is_file()), None)


def version() -> str:
    """Return the version of posefleet in this folder."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def find_builder() -> str:
    """Return ``buildah`` or ``docker``, whichever is installed."""
    for name in ("buildah", "docker"):
        if shutil.which(name):
            return name
    raise FileNotFoundError("neither buildah nor docker is installed; an image needs one of them")


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Build one image of posefleet.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--tag", required=True, help="name and tag of the image")
    parser.add_argument(
        "--base-image", default="", help="Debian or Ubuntu with Python 3.11+ (default: the Dockerfile's)"
    )
    parser.add_argument("--revision", default="unknown", help="commit, for the image's labels")
    parser.add_argument("--builder", choices=["buildah", "docker"], help="default: whichever is installed")
    return parser.parse_args(words)


def main() -> None:
    """Build the image and exit with the builder's exit code."""
    command = build_command(parse_arguments(sys.argv[1:]), os.environ)
    # buildah's chroot isolation needs no more than root: no user namespace, no cgroup, no runtime.
    environment = {"BUILDAH_ISOLATION": "chroot", **os.environ}
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
