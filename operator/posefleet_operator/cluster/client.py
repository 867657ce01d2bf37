"""The client of the Kubernetes API: the kinds that the operator uses, requests, and errors.

Objects are plain dicts. Credentials and certificates are those of ``kubernetes.aio``, whose own requests write text
in a form that the API server does not always accept; see ``text.py``.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import kopf
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client.rest import RESTClientObject

from posefleet_api.constants import API_VERSION, KIND, PLURAL
from posefleet_operator.cluster.objects import Manifest, parse_number
from posefleet_operator.cluster.text import encoded


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
WORKLOAD = Kind("kueue.x-k8s.io/v1beta2", "Workload", "workloads")
KINDS = {kind.kind: kind for kind in (TRAINING_JOB, JOB, POD, SERVICE, CONFIG_MAP, EVENT, LEASE)}


def kind_of(manifest: Manifest) -> Kind:
    """Return the kind of a manifest."""
    return KINDS[manifest["kind"]]


FIELD_MANAGER = "posefleet-operator"
REQUEST_SECONDS = 10.0
_PAGE = 500
#: The API server ends a watch after this time, and another one begins where it ended.
_WATCH_SECONDS = 300
_CONNECTIONS = 100
_LONGEST_RETRY_AFTER_SECONDS = 300.0


class ApiError(Exception):
    """The API server answered with an error, or did not answer, in which case the status is 0."""

    def __init__(self, status: int, reason: str, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        #: How long the API server asks to wait before the request is repeated.
        self.retry_after_seconds = retry_after_seconds

    @property
    def refused(self) -> bool:
        """Whether the same request will be refused again until somebody changes something."""
        return self.status in {400, 403, 422}


Manifests = list[Manifest]
#: Types and objects of events of a watch.
Events = list[tuple[str, Manifest]]
#: Is called with the method and the plural name of the kind of each request.
Count = Callable[[str, str], None]


def _uncounted(_method: str, _resource: str) -> None:
    """Do not count a request."""


class Cluster:
    """A connection to an API server."""

    def __init__(self, configuration: Any, count: Count = _uncounted) -> None:
        """Open no connection yet. This must be called in the event loop that will use it."""
        self._count = count
        self._configuration = configuration
        tls = RESTClientObject(configuration).ssl_context
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=_CONNECTIONS),
            trace_configs=[_check_before_sending()],
        )
        # Found out once. aiohttp would look for it, and for a file with passwords, at each request.
        self._proxy = configuration.proxy or _proxy_of_environment(configuration.host)
        self._seconds_left: Callable[[], float] | None = None

    @classmethod
    async def connect(cls, kubeconfig: str, count: Count = _uncounted) -> "Cluster":
        """Connect with a kubeconfig file. If it is empty, use the pod's service account or the file of kubectl.

        ``count`` is called with each request.
        """
        configuration = kubernetes_client.Configuration()
        if not kubeconfig:
            try:
                kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
                return cls(configuration, count)
            except kubernetes_config.ConfigException:
                pass
        await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig or None, client_configuration=configuration
        )
        return cls(configuration, count)

    def while_leading(self, seconds_left: Callable[[], float]) -> "Cluster":
        """Return the same connection for requests of a leader.

        ``seconds_left`` returns how long it still leads, and raises an exception if it does not. It is asked again at
        the moment when a request is sent, and no request takes longer.
        """
        fenced = copy(self)
        fenced._seconds_left = seconds_left
        return fenced

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

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

    async def get(self, kind: Kind, namespace: str, name: str, subresource: str = "") -> Manifest:
        """Read an object, or a subresource of it."""
        return await self._request("GET", kind, kind.path(namespace, name, subresource))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object. This fails with status 409 if the name exists."""
        path = kind.path(manifest["metadata"].get("namespace", ""))
        return await self._request("POST", kind, path, {"fieldManager": FIELD_MANAGER}, manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replace an object. This fails with status 409 if it has changed since it was read."""
        metadata = manifest["metadata"]
        return await self._request("PUT", kind, kind.path(metadata["namespace"], metadata["name"]), {}, manifest)

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Manifest, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        """Change an object by a JSON merge patch.

        If the patch contains the resourceVersion, this fails with status 409 if the object has changed since. A dry run
        fails as the change would, and changes nothing.
        """
        path = kind.path(namespace, name, subresource)
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return await self._request("PATCH", kind, path, query, patch, "application/merge-patch+json")

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str, foreground: bool = False) -> None:
        """Delete the object with this uid, and its children before it (``foreground``) or after it.

        This fails with status 409 if another object has the name.
        """
        propagation = "Foreground" if foreground else "Background"
        body: Manifest = {"propagationPolicy": propagation, "preconditions": {"uid": uid}}
        await self._request("DELETE", kind, kind.path(namespace, name), {}, body)

    async def list(
        self, kind: Kind, namespace: str, selector: str = "", fields: str = ""
    ) -> tuple[list[Manifest], int]:
        """Return the objects of a kind in a namespace (empty for the cluster), and the version of the list.

        ``selector`` selects by labels and ``fields`` by fields. If they are empty, all objects are returned.
        """
        items: list[Manifest] = []
        newest = 0
        async for page, version in self.pages(kind, namespace, selector, fields):
            items += page
            newest = version
        return items, newest

    async def pages(
        self, kind: Kind, namespace: str, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[Manifests, int]]:
        """Yield what ``list`` returns in parts, so that not all objects are in memory at the same time."""
        selectors = {"labelSelector": selector, "fieldSelector": fields}
        query = {"limit": str(_PAGE)} | {name: text for name, text in selectors.items() if text}
        while True:
            page = await self._request("GET", kind, kind.path(namespace), query)
            token, version = page["metadata"].get("continue"), int(page["metadata"].get("resourceVersion") or 0)
            yield [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page["items"]], version
            if not token:
                return
            query = {**query, "continue": token}

    async def watch(self, kind: Kind, namespace: str, selector: str, version: str) -> AsyncGenerator[Events, None]:
        """Yield the types and objects of events after a version, as many at once as there are, until the watch ends.

        Raises:
            ApiError: if the watch cannot begin or breaks. With status 410 the version is too old, and a list is due.
        """
        query = {
            "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS),
            "resourceVersion": version, "labelSelector": selector,
        }  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=_WATCH_SECONDS + 30)
        rest = b""
        try:
            async with self._session.request(
                "GET", self._configuration.host + kind.path(namespace), params=query, timeout=timeout,
                headers={"Accept": "application/json", **await self._authorization()},
                proxy=self._proxy, server_hostname=self._configuration.tls_server_name,
            ) as response:  # fmt: skip
                if response.status >= 400:
                    answer = _decoded(await response.read())
                    raise ApiError(response.status, answer.get("reason", ""), answer.get("message", ""))
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield [_event(line) for line in lines if line]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server does not answer: {_cause(error)}") from error

    async def _request(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        self._count(method, kind.plural)
        headers = {"Accept": "application/json", "Content-Type": content_type, **await self._authorization()}
        left = self._seconds_left() if self._seconds_left is not None else REQUEST_SECONDS
        try:
            async with self._session.request(
                method,
                self._configuration.host + path,
                params=query,
                headers=headers,
                data=encoded(body) if body is not None else None,
                proxy=self._proxy,
                server_hostname=self._configuration.tls_server_name,
                timeout=aiohttp.ClientTimeout(total=min(left, REQUEST_SECONDS)),
                trace_request_ctx=self._seconds_left,
            ) as response:
                text = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server does not answer: {_cause(error)}") from error
        answer = _decoded(text)
        if response.status >= 400:
            raise ApiError(
                response.status,
                answer.get("reason", ""),
                answer.get("message", text[:200].decode(errors="replace")),
                min(parse_number(response.headers.get("Retry-After")), _LONGEST_RETRY_AFTER_SECONDS),
            )
        return answer

    async def _authorization(self) -> dict[str, str]:
        bearer = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": bearer} if bearer else {}


def _check_before_sending() -> aiohttp.TraceConfig:
    """Return a hook that asks ``seconds_left`` of a request once more when its connection is ready."""

    async def check(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx()

    hook = aiohttp.TraceConfig()
    hook.on_request_headers_sent.append(check)
    return hook


def _proxy_of_environment(url: str) -> str | None:
    """Return the proxy that the environment names for the API server, or None."""
    address = urlsplit(url)
    return None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)


def _cause(error: Exception) -> str:
    """Return why there was no answer, without the addresses of objects, so that equal causes have equal texts."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return str(error) or type(error).__name__


def _event(line: bytes) -> tuple[str, Manifest]:
    event = json.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise ApiError(int(status.get("code") or 0), status.get("reason", ""), status.get("message", ""))
    return event["type"], event["object"]


def _decoded(text: bytes) -> Manifest:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
