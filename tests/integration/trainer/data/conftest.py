"""Real stores of two vendors."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from integration.trainer.data.buckets import Bucket
from posefleet_lab.object_stores import VENDORS, ObjectStore, object_store


@pytest.fixture(scope="session", params=VENDORS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A running store; every test that uses it runs once for each vendor."""
    with object_store(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def bucket(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket, with the administrator's credentials."""
    made = Bucket(server, f"test-{uuid4().hex[:12]}", monkeypatch)
    server.create_bucket(made.name)
    made.login(server.credentials)
    return made
