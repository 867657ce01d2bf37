"""The interface and the common parts of all object stores: ports, credentials, start, stop and buckets."""

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from minio import Minio
from urllib3 import PoolManager, Retry, Timeout

from ..component import Component
from ..ports import free_port


@dataclass(frozen=True)
class Credentials:
    """An access key and its secret key, both left out of the repr so that they do not appear in logs."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> "Credentials":
        """Return new random credentials."""
        return cls(f"lab-{secrets.token_hex(6)}", secrets.token_urlsafe(24))


class ObjectStore(ABC):
    """An S3 server on an ``address`` of this machine.

    ``stop`` keeps its data and its port, so that a store that is started again has the same address and content.
    """

    vendor: ClassVar[str]
    region = "us-east-1"
    stop_grace_seconds = 10.0
    console: str | None = None

    def __init__(self, directory: Path, address: str = "127.0.0.1") -> None:
        self.directory = directory
        self.address = address
        self.credentials = Credentials.generate()
        self.port = free_port()
        self.endpoint = f"http://{address}:{self.port}"

    @property
    def access_key(self) -> str:
        """Return the administrator's access key."""
        return self.credentials.access_key

    @property
    def secret_key(self) -> str:
        """Return the administrator's secret key."""
        return self.credentials.secret_key

    @property
    def components(self) -> list[Component]:
        """Return the server's program."""
        return [self._component]

    @cached_property
    def _component(self) -> Component:
        return Component(self.vendor, self._command(), self.directory, self._variables())

    def start(self) -> None:
        """Start the server, also after ``stop`` or ``kill``, and return when it answers S3 requests."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._prepare()
        self._component.start()
        self._component.wait_until(self._ready, "ready", timeout_seconds=90)

    def stop(self) -> None:
        """Stop the server and keep its data."""
        self._component.stop(self.stop_grace_seconds)

    def kill(self) -> None:
        """End the server with SIGKILL and keep its data."""
        self._component.kill()

    def client(self, credentials: Credentials | None = None, *, retries: int = 3) -> Minio:
        """Return an S3 client with ``credentials``, by default those of the administrator."""
        chosen = credentials or self.credentials
        pool = PoolManager(timeout=Timeout(connect=5, read=60), retries=Retry(retries, backoff_factor=0.2))
        host = self.endpoint.removeprefix("http://")
        return Minio(
            host,
            access_key=chosen.access_key,
            secret_key=chosen.secret_key,
            secure=False,
            region=self.region,
            http_client=pool,
        )

    def create_bucket(self, name: str) -> None:
        """Create a bucket unless it exists."""
        client = self.client()
        if not client.bucket_exists(name):
            client.make_bucket(name)

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which AWS's tools and SDKs find the store."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
        }

    @abstractmethod
    def read_only_user(self, bucket: str) -> Credentials:
        """Create a user who can list and read one bucket and cannot write."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the server's command."""

    def _variables(self) -> dict[str, str]:
        """Return the server's own environment variables."""
        return {}

    def _prepare(self) -> None:  # noqa: B027 - most servers expect nothing
        """Create the files that the server needs when it starts."""

    def _ready(self) -> bool:
        """Return whether the server takes S3 requests."""
        try:
            self.client(retries=0).list_buckets()
        except Exception:  # noqa: BLE001, RUF100 - whatever it is, it is not ready
            return False
        return True

    def __enter__(self) -> "ObjectStore":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
