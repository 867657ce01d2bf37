"""The control plane: etcd, API server, controller manager and scheduler on ports of this machine."""

import json
import ssl
import urllib.request
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..component import Component
from ..errors import ComponentError
from ..paths import write_private
from ..ports import free_port
from .credentials import CertificateAuthority, KeyPair, kubeconfig_with_certificate, signing_key

SERVICE_NETWORK = "10.96.0.0/16"
_SERVICE_HOSTS = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
_ISSUER = "https://kubernetes.default.svc.cluster.local"
# The API server would wait longer than this for open watches to end.
_RESTART_GRACE_SECONDS = 2.0
#: How the API server identifies itself to API servers that it aggregates.
_FRONT_PROXY = "front-proxy"
_START_ORDER = ("etcd", "apiserver", "controller-manager", "scheduler")


class ControlPlane:
    """A Kubernetes control plane with all its files in one directory.

    Once ``start`` has returned, ``kubeconfig`` is the path of the administrator's kubeconfig. The API server listens
    on ``address`` and the other programs on loopback. Unless ``address`` is a loopback address, pods find the API
    server through the Service ``kubernetes``. ``apiserver_options`` are added to its command line, for example for an
    audit log.
    """

    def __init__(
        self, directory: Path, binary: Path, address: str = "127.0.0.1", apiserver_options: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.authority = CertificateAuthority()
        self._address = address
        self.server = f"https://{address}:{free_port()}"
        self.kubeconfig = directory / "kubeconfig"
        self._pki = directory / "pki"
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self._secure_ports = {"controller-manager": free_port(), "scheduler": free_port()}
        options = {
            "etcd": self._etcd(),
            "apiserver": [*self._apiserver(), *apiserver_options],
            "controller-manager": self._controller_manager(),
            "scheduler": self._scheduler(),
        }
        self._components = {
            name: Component(name, [str(binary), name, *options[name]], directory) for name in _START_ORDER
        }

    @property
    def components(self) -> list[Component]:
        """Return the programs, in the order of their start."""
        return list(self._components.values())

    def start(self) -> None:
        """Start all programs and return when the API server, the controllers and the scheduler are ready."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_credentials()
        for name in _START_ORDER:
            self._start(name)
        for name in ("controller-manager", "scheduler"):
            self._wait_ready(name)

    def restart(self, name: str, *, crash: bool = False) -> None:
        """Stop one program and start it again on its port. With ``crash`` it is stopped by SIGKILL."""
        self.stop_component(name, crash=crash)
        self.start_component(name)

    def stop_component(self, name: str, *, crash: bool = False) -> None:
        """Stop one program and leave the others running."""
        component = self.component(name)
        component.kill() if crash else component.stop(_RESTART_GRACE_SECONDS)

    def start_component(self, name: str) -> None:
        """Start a stopped program again and wait until it is ready."""
        self.component(name)
        self._start(name)
        self._wait_ready(name)

    def stop(self) -> None:
        """Stop all programs, the clients of the API server first."""
        for component in reversed(self.components):
            component.stop()

    def get(self, path: str, accept: str = "application/json") -> dict[str, Any] | None:
        """Return an object of the API, or None if it does not exist or the API server does not answer."""
        request = urllib.request.Request(f"{self.server}{path}", headers={"Accept": accept})  # noqa: S310
        try:
            with self._opener().open(request, timeout=5) as response:
                found: dict[str, Any] = json.load(response)
        except OSError:
            return None
        return found

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object as the administrator. Raises OSError."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, json.dumps(body).encode(), headers)  # noqa: S310
        with self._opener().open(request, timeout=10) as response:
            created: dict[str, Any] = json.load(response)
        return created

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Create or change an object by server-side apply. Raises OSError."""
        self._patch(f"{path}?fieldManager=posefleet-lab&force=true", manifest, "application/apply-patch+yaml")

    def merge(self, path: str, change: dict[str, Any]) -> None:
        """Change an object by a merge patch. Raises OSError."""
        self._patch(path, change, "application/merge-patch+json")

    def client_kubeconfig(self, user: str, groups: list[str], path: Path) -> Path:
        """Write a kubeconfig with a client certificate for ``user`` in ``groups``."""
        pair = self.authority.issue(user, groups)
        text = kubeconfig_with_certificate(self.server, self.authority.certificate, user, pair)
        return write_private(path, text)

    def _patch(self, path: str, body: dict[str, Any], kind: str) -> None:
        content = {"Content-Type": kind}
        request = urllib.request.Request(self.server + path, json.dumps(body).encode(), content, method="PATCH")  # noqa: S310
        with self._opener().open(request, timeout=10) as response:
            response.read()

    def component(self, name: str) -> Component:
        """Return one program. Raises ComponentError if there is none of that name."""
        if name not in self._components:
            raise ComponentError(f"there is no component {name!r}; there are {', '.join(_START_ORDER)}")
        return self._components[name]

    def _start(self, name: str) -> None:
        self._components[name].start()
        if name in {"etcd", "apiserver"}:  # the others wait for the API server by themselves
            self._wait_ready(name)

    def _wait_ready(self, name: str) -> None:
        url = {
            "etcd": f"https://127.0.0.1:{self._etcd_port}/health",
            "apiserver": f"{self.server}/readyz",
        }.get(name) or f"https://127.0.0.1:{self._secure_ports[name]}/healthz"
        self._components[name].wait_for_answer(url, self._opener())

    def _opener(self) -> urllib.request.OpenerDirector:
        """Return an HTTPS client with the administrator's certificate that ignores the user's proxies."""
        context = ssl.create_default_context(cadata=self.authority.certificate.decode())
        context.load_cert_chain(self._pki / "admin.crt", self._pki / "admin.key")
        https = urllib.request.HTTPSHandler(context=context)
        return urllib.request.build_opener(https, urllib.request.ProxyHandler({}))

    def _write_credentials(self) -> None:
        pki = self._pki
        pki.mkdir(exist_ok=True, mode=0o700)
        (pki / "ca.crt").write_bytes(self.authority.certificate)
        local = ["127.0.0.1", "localhost"]
        self._issue("etcd", "etcd", hosts=local)
        self._issue("serving", "kube-apiserver", hosts=[*local, self._address, *_SERVICE_HOSTS])
        self._issue(_FRONT_PROXY, _FRONT_PROXY)
        self._issue("kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
        admin = self._issue("admin", "admin", ["system:masters"])
        write_private(pki / "service-accounts.key", signing_key().decode())
        text = kubeconfig_with_certificate(self.server, self.authority.certificate, "admin", admin)
        write_private(self.kubeconfig, text)
        for name in ("controller-manager", "scheduler"):
            self._issue(name, name, hosts=local)
            self.client_kubeconfig(f"system:kube-{name}", [], pki / f"{name}.kubeconfig")

    def _issue(self, file: str, user: str, groups: list[str] | None = None, hosts: list[str] | None = None) -> KeyPair:
        pair = self.authority.issue(user, groups or [], hosts or [])
        pair.write(self._pki, file)
        return pair

    def _etcd(self) -> list[str]:
        client, peer = (f"https://127.0.0.1:{port}" for port in (self._etcd_port, self._etcd_peer_port))
        pki = self._pki
        tls = [f"--cert-file={pki}/etcd.crt", f"--key-file={pki}/etcd.key", f"--trusted-ca-file={pki}/ca.crt"]
        peer_tls = [option.replace("--", "--peer-") for option in tls]
        return [
            f"--data-dir={self.directory}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            *tls,
            *peer_tls,
            "--client-cert-auth",
            "--peer-client-cert-auth",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver(self) -> list[str]:
        pki = self._pki
        return [
            f"--etcd-servers=https://127.0.0.1:{self._etcd_port}",
            f"--etcd-cafile={pki}/ca.crt",
            f"--etcd-certfile={pki}/admin.crt",
            f"--etcd-keyfile={pki}/admin.key",
            f"--secure-port={self.server.rpartition(':')[2]}",
            f"--bind-address={self._address}",
            f"--advertise-address={self._address}",
            f"--endpoint-reconciler-type={'none' if ip_address(self._address).is_loopback else 'lease'}",
            f"--tls-cert-file={pki}/serving.crt",
            f"--tls-private-key-file={pki}/serving.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={pki}/service-accounts.key",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            f"--requestheader-client-ca-file={pki}/ca.crt",
            f"--requestheader-allowed-names={_FRONT_PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/{_FRONT_PROXY}.crt",
            f"--proxy-client-key-file={pki}/{_FRONT_PROXY}.key",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--shutdown-delay-duration=0s",
        ]

    def _controller_manager(self) -> list[str]:
        # The default of 20 requests a second would limit it to 14 new pods a second.
        return [
            *self._api_client_options("controller-manager"),
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
            f"--service-account-private-key-file={self._pki}/service-accounts.key",
            "--use-service-account-credentials=true",
            f"--root-ca-file={self._pki}/ca.crt",
        ]

    def _scheduler(self) -> list[str]:
        return [*self._api_client_options("scheduler"), "--kube-api-qps=1000", "--kube-api-burst=2000"]

    def _api_client_options(self, name: str) -> list[str]:
        config = self._pki / f"{name}.kubeconfig"
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._secure_ports[name]}",
            f"--tls-cert-file={self._pki}/{name}.crt",
            f"--tls-private-key-file={self._pki}/{name}.key",
        ]
