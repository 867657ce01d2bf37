"""Where schemas come from: the Go modules of Kubernetes and of the Prometheus Operator, no server of schemas."""

import json
import os
import subprocess
from functools import partial
from pathlib import Path

import yaml

from ..errors import BuildError
from ..paths import GO_MODULES, cache_directory
from ..tools import golang
from ..tools.build_once import Report, build_once, digest, quiet
from . import schemas
from .schemas import KubernetesTypes, write_schemas

_KUBERNETES = ("kubelab", "k8s.io/kubernetes", "api/openapi-spec/swagger.json")
_MONITORING = ("schemas", "github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd")


class _Loader(yaml.CSafeLoader):
    """Takes a lone ``=`` for the text that it is; YAML 1.1 has it for something that nobody uses."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def kubernetes_version() -> str:
    """Return the version whose schemas these are, that of the lab's control plane."""
    return golang.required_version(*_KUBERNETES[:2])


def published_schemas(report: Report = quiet) -> Path:
    """Return a directory with the schemas of Kubernetes' and the Prometheus Operator's kinds, made once."""
    versions = [golang.required_version(module, dependency) for module, dependency, _ in (_KUBERNETES, _MONITORING)]
    code = [Path(__file__).read_bytes(), Path(schemas.__file__).read_bytes()]
    target = cache_directory() / "schemas" / digest(*(version.encode() for version in versions), *code)
    return build_once(target, partial(_make, report=report), "make schemas of Kubernetes", report)


def custom_schemas(definitions: list[Path], directory: Path, report: Report = quiet) -> None:
    """Write the schemas of the CustomResourceDefinitions in YAML files into ``directory``."""
    types = _kubernetes_types(report)
    for path in definitions:
        write_schemas(types.custom_kinds(yaml.load(path.read_text(), _Loader)), directory)


def _make(directory: Path, report: Report) -> None:
    write_schemas(_kubernetes_types(report).kinds(), directory)
    module, dependency, place = _MONITORING
    custom_schemas(sorted((_module_directory(module, dependency, report) / place).glob("*.yaml")), directory, report)


def _kubernetes_types(report: Report) -> KubernetesTypes:
    module, dependency, place = _KUBERNETES
    return KubernetesTypes(json.loads((_module_directory(module, dependency, report) / place).read_text()))


def _module_directory(module: str, dependency: str, report: Report) -> Path:
    """Return where Go keeps the source of a dependency, which go.sum of ``lab/<module>`` vouches for."""
    command = [str(golang.go(report)), "mod", "download", "-json", dependency]
    environment = {**os.environ, "GOFLAGS": "-mod=readonly"}
    result = subprocess.run(
        command, cwd=GO_MODULES / module, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildError(f"{dependency} could not be downloaded:\n{result.stderr.strip() or result.stdout.strip()}")
    return Path(json.loads(result.stdout)["Dir"])
