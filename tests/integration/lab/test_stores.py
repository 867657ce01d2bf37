"""Both object stores support everything that posefleet needs of a store."""

import io

import pytest
from minio.error import S3Error

from posefleet_lab.object_stores import VENDORS, object_store

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", params=VENDORS)
def vendor_store(request, tmp_path_factory):
    """A running store of each vendor in turn."""
    with object_store(request.param, tmp_path_factory.mktemp(request.param)) as store:
        store.create_bucket("data")
        yield store


def put(client, name: str, data: bytes = b"content") -> None:
    client.put_object("data", name, io.BytesIO(data), len(data))


def get(client, name: str, **range_: int) -> bytes:
    response = client.get_object("data", name, **range_)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def test_objects_come_back_whole_and_in_ranges(vendor_store):
    client = vendor_store.client()
    put(client, "videos/a.mp4", bytes(range(256)) * 1000)
    assert get(client, "videos/a.mp4") == bytes(range(256)) * 1000
    assert get(client, "videos/a.mp4", offset=256, length=4) == b"\0\1\2\3"
    assert [entry.object_name for entry in client.list_objects("data", "videos/")] == ["videos/a.mp4"]


def test_a_missing_bucket_says_so(vendor_store):
    with pytest.raises(S3Error) as refused:
        vendor_store.client().put_object("nothing-here", "x", io.BytesIO(b"x"), 1)
    assert refused.value.code == "NoSuchBucket"


def test_wrong_credentials_are_refused(vendor_store):
    from posefleet_lab.object_stores import Credentials

    with pytest.raises(S3Error) as refused:
        list(vendor_store.client(Credentials("nobody", "nothing-at-all")).list_objects("data"))
    assert refused.value.code == "InvalidAccessKeyId"


def test_a_read_only_user_reads_and_cannot_write(vendor_store):
    put(vendor_store.client(), "readable")
    reader = vendor_store.client(vendor_store.read_only_user("data"))
    assert get(reader, "readable") == b"content"
    with pytest.raises(S3Error) as refused:
        put(reader, "forbidden")
    assert refused.value.code == "AccessDenied"


def test_data_and_endpoint_outlive_an_outage(vendor_store):
    client = vendor_store.client(retries=0)
    put(client, "kept")
    endpoint = vendor_store.endpoint
    vendor_store.stop()
    with pytest.raises(Exception, match=r"(?i)refused|max retries"):
        get(client, "kept")
    vendor_store.start()
    assert vendor_store.endpoint == endpoint
    assert get(client, "kept") == b"content"


def test_credentials_do_not_show():
    from posefleet_lab.object_stores import Credentials

    credentials = Credentials.generate()
    assert credentials.secret_key not in repr(credentials)
