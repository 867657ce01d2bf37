"""The Pod Security Standard ``restricted``, and ``baseline`` which it contains, as a function of a pod's spec.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator
from typing import Any

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_SECCOMP = {"RuntimeDefault", "Localhost"}


def violations(pod: dict[str, Any]) -> list[str]:
    """What the standard does not allow in a pod's spec, a sentence each."""
    return [*_of_pod(pod), *(sentence for container in _containers(pod) for sentence in _of_container(container, pod))]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", ()), *pod.get("containers", ()), *pod.get("ephemeralContainers", ())]


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    security = pod.get("securityContext", {})
    yield from (f"{name} is true" for name in _HOST_NAMESPACES if pod.get(name))
    if security.get("sysctls"):
        yield "sysctls are set"
    if security.get("runAsUser") == 0:
        yield "the pod runs as root"
    for volume in pod.get("volumes", ()):
        kinds = volume.keys() - {"name"}
        if not kinds <= _VOLUMES:
            yield f"volume {volume['name']} is of kind {', '.join(kinds)}"


def _of_container(container: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    effective = {**pod.get("securityContext", {}), **own}
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield f"container {name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"container {name} may escalate its privileges"
    if effective.get("runAsNonRoot") is not True:
        yield f"container {name} may run as root"
    if own.get("runAsUser") == 0:
        yield f"container {name} runs as root"
    if "ALL" not in capabilities.get("drop", ()):
        yield f"container {name} keeps capabilities"
    if not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
        yield f"container {name} adds capabilities"
    if effective.get("seccompProfile", {}).get("type") not in _SECCOMP:
        yield f"container {name} has no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield f"container {name} sees all of /proc"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield f"container {name} takes a port of its host"
