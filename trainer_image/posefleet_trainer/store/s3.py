"""The store of a folder in an S3-compatible bucket: ``s3://BUCKET/PREFIX/``."""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from minio import Minio
from minio.error import S3Error
from urllib3.response import BaseHTTPResponse

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import StoredObject, checked_key, folder_prefix, is_safe_key
from posefleet_trainer.store.files import download_ranges
from posefleet_trainer.store.s3_connection import S3Connection
from posefleet_trainer.store.s3_errors import Request, explain, refused
from posefleet_trainer.store.s3_http import TransientError, transient_errors
from posefleet_trainer.telemetry.metrics import STORE_BYTES

T = TypeVar("T")
Listing = list[tuple[str, int, str]]
"""(object name, bytes, tag) each."""

PART_BYTES = 16 * 2**20
MAX_PARTS = 10_000
PARALLEL_PARTS = 4
#: Larger than any labels file, manifest or page. Anything larger must be downloaded to a file.
MAX_READ_BYTES = 256 * 2**20
_MD5 = re.compile(r"[0-9a-f]{32}")


class S3Store:
    """A ``Store`` in a bucket.

    Args:
        connection: to the S3 store.
        bucket: its name.
        root: prefix of all keys; empty, or ends with a slash.
        on_received: called for each range of an object that has been received.
    """

    def __init__(
        self, connection: S3Connection, bucket: str, root: str, on_received: Callable[[], None] = lambda: None
    ) -> None:
        self.uri = f"s3://{bucket}/{root}"
        self._connection = connection
        self._bucket = bucket
        self._root = root
        self._on_received = on_received

    def _request(self, key: str, action: str) -> Request:
        return Request(f"{self.uri}{key}", self._bucket, self._connection.endpoint, action)

    def _call(self, key: str, action: str, work: Callable[[Minio], T]) -> T:
        request = self._request(key, action)
        try:
            return self._connection.call(request, work)
        except S3Error as error:
            raise explain(error, request) from error

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Read all pages of the listing, each in a request of its own, and sort them: not every vendor sorts by key."""

        def work(client: Minio) -> Listing:
            listed = client.list_objects(self._bucket, prefix=self._root + prefix, recursive=True)
            return [(o.object_name or "", o.size or 0, o.etag or "") for o in listed]

        for name, size_bytes, etag in sorted(self._call(prefix, "list", work)):
            key = name.removeprefix(self._root)
            if not name.endswith("/") and is_safe_key(key):
                yield StoredObject(key, size_bytes, etag)

    def find(self, key: str) -> StoredObject | None:
        """Send one HEAD request."""
        name = self._root + checked_key(key)
        request = self._request(key, "read")
        try:
            found = self._connection.call(request, lambda client: client.stat_object(self._bucket, name))
        except S3Error:
            # The answer to HEAD has no body, so a missing bucket looks like a missing object.
            if not self._connection.call(request, lambda client: client.bucket_exists(self._bucket)):
                raise refused("NoSuchBucket", request) from None
            return None
        return StoredObject(key, found.size or 0, found.etag or "")

    def read(self, key: str) -> bytes:
        """Send a GET request. An object larger than ``MAX_READ_BYTES`` is refused.

        The request is repeated if the content does not have the MD5 that the store gives as its tag. Some stores give
        tags of that form that are none, so the same content twice in a row is accepted.
        """
        name = self._root + checked_key(key)
        before: bytes | None = None

        def attempt(client: Minio) -> bytes:
            nonlocal before
            response = client.get_object(self._bucket, name)
            tag = response.headers.get("ETag", "").strip('"')
            content = _body(response)
            if not _MD5.fullmatch(tag) or content == before or _md5_of(content) == tag:
                return content
            before = content
            raise TransientError("the content was damaged on its way")

        return self._read(key, attempt)

    def read_range(self, stored: StoredObject, offset: int, length: int) -> bytes:
        """Send one GET request with ``If-Match``."""
        if length == 0:
            return b""
        content = self._get(stored.key, offset, length, stored.etag)
        if len(content) != length:
            raise refused("PreconditionFailed", self._request(stored.key, "read"))
        self._on_received()
        return content

    def _get(self, key: str, offset: int, length: int, etag: str) -> bytes:
        name = self._root + checked_key(key)
        headers: dict[str, str | list[str] | tuple[str]] | None = {"If-Match": f'"{etag}"'} if etag else None

        def attempt(client: Minio) -> bytes:
            return _body(client.get_object(self._bucket, name, offset, length, request_headers=headers))

        return self._read(key, attempt)

    def _read(self, key: str, attempt: Callable[[Minio], bytes]) -> bytes:
        # The pool repeats requests; here they are also repeated if the body breaks off.
        patience = self._connection.patience
        content = self._call(key, "read", lambda client: patience.retry(lambda: attempt(client)))
        if len(content) > MAX_READ_BYTES:
            raise InvalidInput(f"{self.uri}{key} is larger than {MAX_READ_BYTES // 2**20} MiB; is it the right file?")
        STORE_BYTES.labels("download").inc(len(content))
        return content

    def download(self, stored: StoredObject, target: Path) -> None:
        """Download ranges of 16 MiB, eight at a time, and repeat each one on its own."""
        download_ranges(lambda offset, length: self.read_range(stored, offset, length), stored.size_bytes, target)

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Send one PUT request."""
        self._put(key, lambda: io.BytesIO(content), len(content), content_type)

    def upload(self, source: Path, key: str, content_type: str = "application/octet-stream") -> None:
        """Send one PUT request, or a multipart upload whose parts are repeated on their own."""
        self._put(key, lambda: source.open("rb"), source.stat().st_size, content_type)

    def _put(self, key: str, opened: Callable[[], BinaryIO], size_bytes: int, content_type: str) -> None:
        name = self._root + checked_key(key)

        def work(client: Minio) -> None:
            with opened() as data:
                written = client.put_object(
                    self._bucket,
                    name,
                    data,
                    size_bytes,
                    content_type=content_type,
                    part_size=PART_BYTES if size_bytes <= MAX_PARTS * PART_BYTES else 0,
                    num_parallel_uploads=PARALLEL_PARTS,
                )
            # S3 may answer 200 before it has assembled the parts, and report a failure in the body.
            if not written.etag:
                raise TransientError("the parts of an upload could not be put together")

        def persist(client: Minio) -> None:
            self._connection.patience.retry(lambda: _repeat_lost_upload(lambda: work(client)))

        try:
            self._connection.call(self._request(key, "write"), persist)
        except S3Error as error:
            raise explain(error, self._request(key, "write")) from error
        STORE_BYTES.labels("upload").inc(size_bytes)

    def delete(self, key: str) -> None:
        """Send one DELETE request; it is no error if the object is missing."""
        name = self._root + checked_key(key)
        self._call(key, "delete", lambda client: client.remove_object(self._bucket, name))

    def child(self, prefix: str) -> "S3Store":
        """Return a store with a longer root on the same connection."""
        inner = folder_prefix(prefix)
        if inner:
            checked_key(inner.rstrip("/"))
        return S3Store(self._connection, self._bucket, self._root + inner, self._on_received)


def _md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _body(response: BaseHTTPResponse) -> bytes:
    """Read the body, at most one byte more than ``MAX_READ_BYTES``, and return the connection to the pool."""
    try:
        with transient_errors():
            content: bytes = response.read(MAX_READ_BYTES + 1)
    except BaseException:
        response.close()
        raise
    if len(content) > MAX_READ_BYTES:
        response.close()
    response.release_conn()
    return content


def _repeat_lost_upload(upload: Callable[[], None]) -> None:
    """Upload, and repeat that once if the store has lost the multipart upload or had completed it unnoticed."""
    try:
        upload()
    except S3Error as error:
        if error.code != "NoSuchUpload":
            raise
        upload()
