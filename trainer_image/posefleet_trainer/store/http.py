"""The HTTP client under the S3 client: bounded, and patient with a store that is away for a while."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse

from posefleet_trainer.store.retry import Patience, TransientError

CONNECT_SECONDS = 5
READ_SECONDS = 60
MAX_CONNECTIONS = 16
RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504, 507, 509})
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_SPEAKS_HTTP = ("wrong version number", "http request", "record layer failure", "unknown protocol")

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (NameResolutionError, "its name cannot be resolved"),
    (NewConnectionError, "its address cannot be reached"),
    (ConnectTimeoutError, f"no connection within {CONNECT_SECONDS} s"),
    (ReadTimeoutError, f"no data for {READ_SECONDS} s"),
    (ProtocolError, "the connection broke"),
)


class CertificateRefused(Exception):
    """The store's certificate is not signed by an authority that is trusted here."""


class SpeaksPlainHttp(Exception):
    """The endpoint says https, the server speaks http."""


class PatientPool(urllib3.PoolManager):
    """Sends each request until it is answered or the patience ends; never follows a redirect to elsewhere."""

    def __init__(self, patience: Patience, ca_file: str | None) -> None:
        super().__init__(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            maxsize=MAX_CONNECTIONS,
            block=True,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=ca_file,
        )
        self._patience = patience

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = False, **options: Any
    ) -> BaseHTTPResponse:
        """One request and its answer; 5xx and 429 count as no answer."""
        del redirect
        return self._patience.insist(lambda: self._once(method, url, options))

    def _once(self, method: str, url: str, options: dict[str, Any]) -> BaseHTTPResponse:
        with transient_errors():
            response = super().urlopen(method, url, redirect=False, **options)
            if response.status in RETRIED_STATUS:
                raise TransientError(_status_reason(response))
        return response


def _status_reason(response: BaseHTTPResponse) -> str:
    """``HTTP 503 SlowDown``; drains the body so that the connection can be used again."""
    body = response.data or b""
    response.release_conn()
    code = _CODE.search(body[:4096])
    return f"HTTP {response.status} {code.group(1).decode() if code else ''}".strip()


@contextmanager
def transient_errors() -> Iterator[None]:
    """Turn failures of the network into ``TransientError``.

    Raises:
        CertificateRefused, SpeaksPlainHttp: what no waiting heals.
    """
    try:
        yield
    except SSLError as error:
        raise _tls_failure(error) from error
    except (HTTPError, OSError) as error:
        raise TransientError(_network_reason(error)) from error


def _tls_failure(error: SSLError) -> Exception:
    cause = error.args[0] if error.args else error
    text = str(error).lower()
    if isinstance(cause, ssl.SSLCertVerificationError) or "certificate verify failed" in text:
        return CertificateRefused(str(getattr(cause, "verify_message", "")) or "certificate verify failed")
    if any(sign in text for sign in _SPEAKS_HTTP):
        return SpeaksPlainHttp()
    return TransientError("the TLS handshake failed")


def _network_reason(error: Exception) -> str:
    if "refused" in str(error):
        return "connection refused"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return type(error).__name__
