"""The client of the Kubernetes API: the kinds that the operator uses, requests, and errors.

Objects are plain dicts. The connections are those of ``kubernetes.aio``.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import kopf
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from posefleet_api.constants import API_VERSION, KIND, PLURAL
from posefleet_operator.cluster.objects import Manifest


@dataclass(frozen=True)
class Kind:
    """A kind of object, and its path in the API."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the URL path of an object, or without a name of all objects of a namespace or of the cluster."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version, *(["namespaces", namespace] if namespace else []), self.plural]
        return "/".join([*parts, *([name] if name else []), *([subresource] if subresource else [])])


TRAINING_JOB = Kind(API_VERSION, KIND, PLURAL)
JOB = Kind("batch/v1", "Job", "jobs")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
KINDS = {kind.kind: kind for kind in (TRAINING_JOB, JOB, POD, SERVICE, CONFIG_MAP, EVENT, LEASE)}


def kind_of(manifest: Manifest) -> Kind:
    """Return the kind of a manifest."""
    return KINDS[manifest["kind"]]


FIELD_MANAGER = "posefleet-operator"
REQUEST_SECONDS = 10.0
_PAGE = 500


class ApiError(Exception):
    """The API server answered with an error, or did not answer, in which case the status is 0."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def refused(self) -> bool:
        """Whether the same request will be refused again until somebody changes something."""
        return self.status in {400, 403, 422}


class Cluster:
    """A connection to an API server."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        self._client = kubernetes_client.ApiClient(configuration)

    @classmethod
    async def connect(cls, kubeconfig: str) -> "Cluster":
        """Connect with a kubeconfig file. If it is empty, use the pod's service account or the file of kubectl."""
        configuration = kubernetes_client.Configuration()
        if not kubeconfig:
            try:
                kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
                return cls(configuration)
            except kubernetes_config.ConfigException:
                pass
        await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig or None, client_configuration=configuration
        )
        return cls(configuration)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def credentials(self) -> kopf.ConnectionInfo:
        """Return the same connection for kopf, which asks again when the API server no longer accepts the last one."""
        bearer = await self._configuration.get_api_key_with_prefix("BearerToken")
        return kopf.ConnectionInfo(
            server=self._configuration.host,
            ca_path=self._configuration.ssl_ca_cert,
            insecure=not self._configuration.verify_ssl,
            token=bearer.split()[-1] if bearer else None,
            certificate_path=self._configuration.cert_file,
            private_key_path=self._configuration.key_file,
        )

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Read an object."""
        return await self._request("GET", kind.path(namespace, name))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object. This fails with status 409 if the name exists."""
        path = kind.path(manifest["metadata"].get("namespace", ""))
        return await self._request("POST", path, {"fieldManager": FIELD_MANAGER}, manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replace an object. This fails with status 409 if it has changed since it was read."""
        metadata = manifest["metadata"]
        return await self._request("PUT", kind.path(metadata["namespace"], metadata["name"]), {}, manifest)

    async def apply(self, kind: Kind, manifest: Manifest, subresource: str = "", dry_run: bool = False) -> Manifest:
        """Apply an object server-side. With a resourceVersion this fails with status 409 if the object has changed.

        A dry run fails as the write would, and changes nothing.
        """
        metadata = manifest["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        return await self._request("PATCH", path, query, manifest, "application/apply-patch+yaml")

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "", foreground: bool = False) -> None:
        """Delete an object, and its children before it (``foreground``) or after it."""
        body: Manifest = {"propagationPolicy": "Foreground" if foreground else "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        await self._request("DELETE", kind.path(namespace, name), {}, body)

    async def list(self, kind: Kind, namespace: str, selector: str = "") -> tuple[list[Manifest], int]:
        """Return all objects of a kind in a namespace (empty for the cluster), and the version of the list."""
        items: list[Manifest] = []
        version = 0
        async for page in self._pages(kind, namespace, selector):
            items += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page["items"]]
            version = int(page["metadata"].get("resourceVersion") or 0)
        return items, version

    async def _pages(self, kind: Kind, namespace: str, selector: str) -> AsyncIterator[Manifest]:
        query = {"limit": str(_PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = await self._request("GET", kind.path(namespace), query)
            yield page
            if not (token := page["metadata"].get("continue")):
                return
            query = {**query, "continue": token}

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        prepared = await self._client.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, body=body,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            response = await self._client.call_api(*prepared, _request_timeout=REQUEST_SECONDS)
            text: bytes = await response.read()  # type: ignore[no-untyped-call]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server does not answer: {error!r}") from error
        answer = _decoded(text)
        if response.status >= 400:
            raise ApiError(
                response.status, answer.get("reason", ""), answer.get("message", text[:200].decode(errors="replace"))
            )
        return answer


def _decoded(text: bytes) -> Manifest:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
