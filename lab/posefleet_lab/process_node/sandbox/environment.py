"""A container's environment variables and user, derived from its pod as a kubelet derives them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ...manifests import Manifest, in_units_of, key_of, namespace_of
from ..node_config import Image

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "status.hostIP": ("status", "hostIP"),
    "status.podIP": ("status", "podIP"),
}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace each ``$(NAME)`` by its value, as Kubernetes does in commands, arguments and variables.

    References to unknown names are left as they are. ``$$`` becomes ``$``, so ``$$(NAME)`` gives a literal ``$(NAME)``.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)


def field_value(pod: Manifest, path: str) -> str:
    """Return the field of a pod that a ``fieldRef`` names. Raises ValueError for an unsupported field."""
    if path in _FIELDS:
        part, key = _FIELDS[path]
        return str(pod.get(part, {}).get(key, ""))
    if path in {"status.podIPs", "status.hostIPs"}:
        return ",".join(entry["ip"] for entry in pod.get("status", {}).get(path.partition(".")[2], []))
    for kind in ("labels", "annotations"):
        values: Mapping[str, str] = pod["metadata"].get(kind) or {}
        if path == f"metadata.{kind}":
            return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))
        if path.startswith(f"metadata.{kind}['") and path.endswith("']"):
            return values.get(path[len(f"metadata.{kind}['") : -2], "")
    raise ValueError(f"unsupported fieldPath: {path}")


def resource_value(container: Manifest, reference: Manifest, allocatable: Mapping[str, str]) -> str:
    """Return the resource that a ``resourceFieldRef`` names. An absent limit counts as what the node offers.

    Raises ValueError for an unsupported resource.
    """
    kind, _, resource = str(reference["resource"]).partition(".")
    if kind not in {"limits", "requests"}:
        raise ValueError(f"unsupported container resource: {reference['resource']}")
    resources = container.get("resources") or {}
    quantity = (resources.get(kind) or {}).get(resource)
    if quantity is None:
        quantity = allocatable.get(resource, "0") if kind == "limits" else "0"
    return str(in_units_of(str(quantity), str(reference.get("divisor") or "1")))


class ConfigError(Exception):
    """A container cannot be created yet, because something that its configuration refers to is missing."""


class ObjectReader(Protocol):
    """Reads ConfigMaps and Secrets as bytes by key. Returns None for an object that does not exist."""

    async def config_map(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of a ConfigMap."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of a Secret."""


@dataclass
class EnvironmentBuilder:
    """Resolves ``env`` and ``envFrom`` of one pod's containers."""

    pod: Manifest
    objects: ObjectReader
    allocatable: Mapping[str, str]
    base: Mapping[str, str] = field(default_factory=dict)

    async def build(self, container: Manifest) -> dict[str, str]:
        """Return the variables of a container. Raises ConfigError with the message that a kubelet gives."""
        variables: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            variables |= await self._from_source(source)
        for entry in container.get("env") or []:
            value = await self._value(container, entry, {**self.base, **variables})
            if value is not None:
                variables[entry["name"]] = value
        return {**self.base, **variables}

    async def _from_source(self, source: Manifest) -> dict[str, str]:
        prefix = source.get("prefix") or ""
        kind = "configMapRef" if "configMapRef" in source else "secretRef"
        reference = source[kind]
        data = await self._data(kind, reference["name"])
        if data is None:
            self._require(reference, f'{_NOUNS[kind]} "{reference["name"]}" not found')
            return {}
        return {prefix + key: value.decode(errors="replace") for key, value in data.items()}

    async def _value(self, container: Manifest, entry: Manifest, known: Mapping[str, str]) -> str | None:
        source = entry.get("valueFrom")
        if not source:
            return expand(entry.get("value") or "", known)
        try:
            if "fieldRef" in source:
                return field_value(self.pod, source["fieldRef"]["fieldPath"])
            if "resourceFieldRef" in source:
                return resource_value(container, source["resourceFieldRef"], self.allocatable)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        kind = "configMapKeyRef" if "configMapKeyRef" in source else "secretKeyRef"
        return await self._key_value(kind, source[kind])

    async def _key_value(self, kind: str, reference: Manifest) -> str | None:
        data = await self._data(kind, reference["name"])
        if data is None:
            self._require(reference, f'{_NOUNS[kind]} "{reference["name"]}" not found')
            return None
        if reference["key"] not in data:
            owner = f"{_TITLES[kind]} {namespace_of(self.pod)}/{reference['name']}"
            self._require(reference, f"couldn't find key {reference['key']} in {owner}")
            return None
        return data[reference["key"]].decode(errors="replace")

    async def _data(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        reader = self.objects.config_map if kind.startswith("configMap") else self.objects.secret
        return await reader(namespace_of(self.pod), name)

    @staticmethod
    def _require(reference: Manifest, message: str) -> None:
        if not reference.get("optional"):
            raise ConfigError(message)


_NOUNS = {
    "configMapRef": "configmap",
    "configMapKeyRef": "configmap",
    "secretRef": "secret",
    "secretKeyRef": "secret",
}
_TITLES = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


def user_and_group(pod: Manifest, container: Manifest, image: Image) -> tuple[int, int]:
    """Return the uid and gid of a container. Raises ConfigError if ``runAsNonRoot`` forbids the user."""
    of_pod = pod["spec"].get("securityContext") or {}
    of_container = container.get("securityContext") or {}

    def setting(name: str) -> int | None:
        value = of_container.get(name, of_pod.get(name))
        return None if value is None else int(value)

    chosen = setting("runAsUser")
    uid = image.user if chosen is None else chosen
    group = setting("runAsGroup")
    if of_container.get("runAsNonRoot", of_pod.get("runAsNonRoot")) and uid == 0:
        where = f'(pod: "{key_of(pod)}", container: {container["name"]})'
        if chosen == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    return uid, uid if group is None else group
