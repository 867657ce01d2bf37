"""A bucket of a real store, as the trainer sees it."""

from dataclasses import dataclass

import pytest

from posefleet_api.dataset import Storage
from posefleet_lab.object_stores import Credentials, ObjectStore
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import open_store


@dataclass
class Bucket:
    """A bucket of the test's own, and how the trainer comes to it."""

    server: ObjectStore
    name: str
    environment: pytest.MonkeyPatch

    def login(self, credentials: Credentials) -> None:
        """From now on the trainer's requests are this user's."""
        self.environment.setenv("AWS_ACCESS_KEY_ID", credentials.access_key)
        self.environment.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_key)

    @property
    def storage(self) -> Storage:
        """As a manifest has it."""
        return Storage(endpoint=self.server.endpoint)

    def open(self, prefix: str = "", patience_seconds: float = 30.0) -> Store:
        """The folder ``prefix`` of the bucket."""
        return open_store(f"s3://{self.name}/{prefix}", self.storage, patience_seconds=patience_seconds)
