"""Where schemas come from: the Go modules of Kubernetes and of the Prometheus Operator, no server of schemas."""

import json
from functools import partial
from pathlib import Path

import yaml

from ..paths import cache_directory
from ..tools import golang
from ..tools.build_once import Report, build_once, digest, quiet
from . import schemas
from .schemas import KubernetesTypes, write_schemas

_KUBERNETES = ("kubelab", "k8s.io/kubernetes", "api/openapi-spec/swagger.json")
_MONITORING = ("schemas", "github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd")


class _Loader(yaml.CSafeLoader):
    """Takes a lone ``=`` for the text that it is; YAML 1.1 has it for something that nobody uses."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


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
        definition = yaml.load(path.read_text(), _Loader)  # noqa: S506  a safe loader, and one thing more
        write_schemas(types.custom_kinds(definition), directory)


def _make(directory: Path, report: Report) -> None:
    write_schemas(_kubernetes_types(report).kinds(), directory)
    module, dependency, place = _MONITORING
    custom_schemas(
        sorted((golang.module_directory(module, dependency, report) / place).glob("*.yaml")), directory, report
    )


def _kubernetes_types(report: Report) -> KubernetesTypes:
    module, dependency, place = _KUBERNETES
    return KubernetesTypes(json.loads((golang.module_directory(module, dependency, report) / place).read_text()))
