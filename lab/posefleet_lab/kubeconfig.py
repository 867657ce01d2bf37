"""Kubeconfig files: who a client is, and how it knows the API server."""

import base64
from pathlib import Path
from typing import Any

import yaml

from .certificates import KeyPair


def with_certificate(server: str, authority: bytes, user: str, pair: KeyPair, namespace: str = "default") -> str:
    """Return a kubeconfig whose user shows a client certificate."""
    return _document(
        server,
        authority,
        user,
        {"client-certificate-data": _encode(pair.certificate), "client-key-data": _encode(pair.key)},
        namespace,
    )


def with_token(server: str, authority: bytes, user: str, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig whose user shows a bearer token."""
    return _document(server, authority, user, {"token": token}, namespace)


def write_private(path: Path, text: str) -> Path:
    """Write a file that its owner alone may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _document(server: str, authority: bytes, user: str, credentials: dict[str, str], namespace: str) -> str:
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": _encode(authority)}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user, "namespace": namespace}}],
        "current-context": "lab",
    }
    return yaml.safe_dump(document, sort_keys=False)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
