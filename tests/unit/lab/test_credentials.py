"""Certificates and kubeconfig files of a cluster."""

import base64
import ssl
from pathlib import Path

import yaml

from posefleet_lab.control_plane.credentials import CertificateAuthority, kubeconfig_with_token


def test_certificates_verify_against_their_authority(tmp_path):
    authority = CertificateAuthority()
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    authority.issue("server", hosts=["127.0.0.1", "localhost"]).write(tmp_path, "server")
    stranger = CertificateAuthority()
    stranger.issue("stranger", hosts=["127.0.0.1"]).write(tmp_path, "stranger")
    assert handshake(tmp_path, "server")
    assert not handshake(tmp_path, "stranger")
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0


def handshake(directory: Path, name: str) -> bool:
    """Return whether a client that trusts ca.crt accepts the server ``name`` at 127.0.0.1."""
    client_context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(directory / f"{name}.crt", directory / f"{name}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return client.version() is not None


def test_a_kubeconfig_verifies_the_server():
    text = kubeconfig_with_token("https://127.0.0.1:1", b"authority", "account", "secret", "lab")
    document = yaml.safe_load(text)
    cluster = document["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"authority"
    assert "insecure-skip-tls-verify" not in text
    assert document["contexts"][0]["context"]["namespace"] == "lab"
