"""A container's environment, built as a kubelet builds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .downward import field_value, resource_value
from .expansion import expand
from .objects import Manifest, namespace_of


class ConfigError(Exception):
    """A container cannot be created yet: something that its configuration names is missing."""


class ObjectReader(Protocol):
    """Where ConfigMaps and Secrets come from; both as text by key, None where there is no such object."""

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
        """Return the variables of a container. Raises ConfigError in a kubelet's words."""
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
