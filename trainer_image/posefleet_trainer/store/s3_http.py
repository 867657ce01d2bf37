"""HTTP requests to an S3 store: which failures are temporary, and how long they are repeated."""

import random
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

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

from posefleet_trainer.telemetry.metrics import STORE_RETRIES

T = TypeVar("T")

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
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


class TransientError(Exception):
    """A failure that may be temporary. The message is a short reason without secrets."""


class NoAnswer(Exception):
    """Every request failed for ``seconds``; ``reason`` is that of the last one."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


class Patience:
    """Repeats requests that fail temporarily, with exponential backoff and jitter.

    Args:
        seconds: how long to repeat a request, counted from its first failure.
        clock: seconds on a monotonic clock.
        sleep: waits for a number of seconds.
        uniform: draws a number between two bounds.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform

    def retry(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it does not raise ``TransientError``, and return its result.

        Raises:
            NoAnswer: the time is up; carries the last reason.
        """
        deadline: float | None = None
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                return attempt()
            except TransientError as error:
                now = self._clock()
                deadline = now + self.seconds if deadline is None else deadline
                if now >= deadline:
                    raise NoAnswer(self.seconds, str(error)) from error
                STORE_RETRIES.inc()
                self._sleep(min(self._uniform(delay / 2, delay), deadline - now))
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)


class CertificateRefused(Exception):
    """The store's certificate is not signed by a trusted authority."""


class SpeaksPlainHttp(Exception):
    """The endpoint is https, but the server speaks http."""


class PatientPool(urllib3.PoolManager):
    """A connection pool that repeats each request as ``Patience`` allows, and never follows a redirect."""

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
        """Send a request until the store answers. A status in ``RETRIED_STATUS`` counts as no answer."""
        del redirect
        return self._patience.retry(lambda: self._once(method, url, options))

    def _once(self, method: str, url: str, options: dict[str, Any]) -> BaseHTTPResponse:
        with transient_errors():
            response = super().urlopen(method, url, redirect=False, **options)
            if response.status in RETRIED_STATUS:
                raise TransientError(_status_reason(response))
        return response


def _status_reason(response: BaseHTTPResponse) -> str:
    """Return status and S3 code, such as ``HTTP 503 SlowDown``, and drain the body to make the connection reusable."""
    body = response.data or b""
    response.release_conn()
    code = _CODE.search(body[:4096])
    return f"HTTP {response.status} {code.group(1).decode() if code else ''}".strip()


@contextmanager
def transient_errors() -> Iterator[None]:
    """Turn network errors into ``TransientError``.

    Raises:
        CertificateRefused, SpeaksPlainHttp: errors that repeating the request does not remove.
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
