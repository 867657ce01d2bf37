"""The connection to one S3-compatible store: its client, credentials, region and certificate authority."""

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

#: The region that stores without regions expect in signatures.
FALLBACK_REGION = "us-east-1"


class EnvironmentCredentials(Provider):
    """The credentials in the environment, read for each request so that no object holds them."""

    def retrieve(self) -> Credentials:
        """Return the present credentials."""
        return Credentials(
            os.environ[ENV_ACCESS_KEY], os.environ[ENV_SECRET_KEY], os.environ.get(ENV_SESSION_TOKEN) or None
        )


def _credentials() -> Provider | None:
    """Return None, for anonymous requests, if the environment has no credentials."""
    named = os.environ.get(ENV_ACCESS_KEY) and os.environ.get(ENV_SECRET_KEY)
    return EnvironmentCredentials() if named else None


class S3Connection:
    """A connection to one store. Safe for use from several threads, but not after a fork."""

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
        """Return what ``work`` returns for the client, and turn its errors into messages for the job's author.

        Raises:
            S3Error: with code NoSuchKey only, for callers that handle a missing object themselves.
            InvalidInput, StoreUnreachable: see ``s3_errors.explain``.
        """
        try:
            return self._with_region(work)
        except STORE_ERRORS as error:
            if isinstance(error, S3Error) and error.code == "NoSuchKey":
                raise
            raise explain(error, request) from error

    def _with_region(self, work: Callable[[Minio], T]) -> T:
        """Run ``work``; if the credentials may not ask for the bucket's region, sign for the usual region instead."""
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
