"""A connection to one S3-compatible store: client, credentials, region, certificate authority."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from minio import Minio
from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider
from minio.error import S3Error

from posefleet_api.constants import ENV_ACCESS_KEY, ENV_CA_FILE, ENV_SECRET_KEY, ENV_SESSION_TOKEN
from posefleet_api.dataset import Storage
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.s3_errors import STORE_ERRORS, WRONG_REGION, Request, explain
from posefleet_trainer.store.s3_http import Patience, PatientPool

T = TypeVar("T")

#: What stores that know no regions sign for.
FALLBACK_REGION = "us-east-1"


class EnvironmentCredentials(Provider):
    """The keys of the environment, read anew for each request so that they are nowhere kept."""

    def retrieve(self) -> Credentials:
        """The present keys."""
        return Credentials(
            os.environ[ENV_ACCESS_KEY], os.environ[ENV_SECRET_KEY], os.environ.get(ENV_SESSION_TOKEN) or None
        )


def _credentials() -> Provider | None:
    """None (anonymous) where the environment has no keys."""
    named = os.environ.get(ENV_ACCESS_KEY) and os.environ.get(ENV_SECRET_KEY)
    return EnvironmentCredentials() if named else None


class S3Connection:
    """One store; safe to use from several threads, not to be carried over a fork."""

    def __init__(self, storage: Storage, patience: Patience) -> None:
        self.endpoint = storage.endpoint.rstrip("/")
        self.patience = patience
        self._region = storage.region
        self._pool = PatientPool(patience, os.environ.get(ENV_CA_FILE) or None)
        self._lock = threading.Lock()
        self._client = self._open(self._region)

    def _open(self, region: str) -> Minio:
        address = urlsplit(self.endpoint)
        try:
            return Minio(
                address.netloc,
                secure=address.scheme == "https",
                region=region or None,
                http_client=self._pool,
                credentials=_credentials(),
            )
        except ValueError as error:
            raise InvalidInput(f"storage.endpoint or storage.region cannot be used: {error}; correct it") from error

    def call(self, request: Request, work: Callable[[Minio], T]) -> T:
        """What ``work`` returns, its failures in words.

        Raises:
            S3Error: with code NoSuchKey, for callers to whom a missing object is an answer.
            InvalidInput, StoreUnreachable: see ``failures.explain``.
        """
        try:
            return self._with_region(work)
        except STORE_ERRORS as error:
            if isinstance(error, S3Error) and error.code == "NoSuchKey":
                raise
            raise explain(error, request) from error

    def _with_region(self, work: Callable[[Minio], T]) -> T:
        """Asking for a bucket's region needs a permission that many keys lack; then sign for the usual one."""
        try:
            return work(self._client)
        except S3Error as denied:
            if self._region or denied.code != "AccessDenied":
                raise
            return self._without_asking(work, denied)

    def _without_asking(self, work: Callable[[Minio], T], denied: S3Error) -> T:
        client = self._open(FALLBACK_REGION)
        try:
            result = work(client)
        except S3Error as error:
            raise denied if error.code in WRONG_REGION else error from None
        with self._lock:
            self._region, self._client = FALLBACK_REGION, client
        return result
