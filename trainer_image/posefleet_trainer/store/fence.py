"""The fence around an output folder: only the newest attempt of the job that owns the folder may write to it.

An attempt whose pods have lost the operator, but not the store, may run on while the next attempt trains already. Every
attempt therefore leaves a mark in the output folder when it begins, under a key that no other attempt writes, and looks
for the mark of a newer attempt before every write and every deletion. A mark is never changed or deleted, so that no
order of requests hides it.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from posefleet_api.base import ApiModel
from posefleet_trainer.errors import InvalidInput, Superseded
from posefleet_trainer.output_folder import ATTEMPTS_FOLDER, OWNER_KEY, begun_key
from posefleet_trainer.store.base import Store, StoredObject

_BEGUN_KEY = re.compile(rf"{ATTEMPTS_FOLDER}(\d+)/begun-([0-9a-f]{{8}})\.json")


@dataclass(frozen=True)
class AttemptId:
    """The attempt of a job that a process belongs to."""

    job: str
    """The uid of the job; empty outside of a cluster."""
    number: int

    @property
    def job_mark(self) -> str:
        """Eight hexadecimal digits that stand for the job in keys."""
        return hashlib.sha256(self.job.encode()).hexdigest()[:8]


class Owner(ApiModel):
    """The content of ``OWNER_KEY``."""

    job: str
    """The uid of the job that prepared its data last in this output folder."""


class Mark(ApiModel):
    """What an attempt writes when it begins, for people: the key alone counts."""

    job: str
    attempt: int
    time: str
    """In ISO 8601 and UTC."""


def claim(output: Store, attempt: AttemptId) -> None:
    """Make the job of ``attempt`` the owner of the output folder, so that attempts of former owners stop."""
    output.write(OWNER_KEY, Owner(job=attempt.job).to_json().encode(), "application/json")


def fenced(output: Store, attempt: AttemptId, *, begins: bool) -> "FencedStore":
    """Return ``output`` as ``attempt`` may use it.

    Args:
        output: the store of the output folder.
        attempt: this one.
        begins: whether to leave the mark that the attempt has begun, which its first rank does.

    Raises:
        Superseded: a newer attempt of the job has begun.
        InvalidInput: the folder belongs to another job now.
    """
    if begins:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        mark = Mark(job=attempt.job, attempt=attempt.number, time=now)
        output.write(begun_key(attempt.number, attempt.job_mark), mark.to_json().encode(), "application/json")
    _check(output, attempt)
    return FencedStore(output, lambda: _check(output, attempt))


class FencedStore:
    """A ``Store`` that calls ``check`` before every write and every deletion; ``check`` raises to prevent it."""

    def __init__(self, store: Store, check: Callable[[], None]) -> None:
        self.uri = store.uri
        self._store = store
        self._check = check

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """List the store inside."""
        return self._store.list(prefix)

    def find(self, key: str) -> StoredObject | None:
        """Find an object in the store inside."""
        return self._store.find(key)

    def read(self, key: str) -> bytes:
        """Read from the store inside."""
        return self._store.read(key)

    def read_range(self, stored: StoredObject, offset: int, length: int) -> bytes:
        """Read from the store inside."""
        return self._store.read_range(stored, offset, length)

    def download(self, stored: StoredObject, target: Path) -> None:
        """Download from the store inside."""
        self._store.download(stored, target)

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Check, then write."""
        self._check()
        self._store.write(key, content, content_type)

    def upload(self, source: Path, key: str, content_type: str = "application/octet-stream") -> None:
        """Check, then upload."""
        self._check()
        self._store.upload(source, key, content_type)

    def delete(self, key: str) -> None:
        """Check, then delete."""
        self._check()
        self._store.delete(key)

    def child(self, prefix: str) -> "FencedStore":
        """Return the store of a folder inside this one, behind the same fence."""
        return FencedStore(self._store.child(prefix), self._check)


def _check(output: Store, attempt: AttemptId) -> None:
    newest = max(_begun(output, attempt), default=attempt.number)
    if newest > attempt.number:
        raise Superseded(
            f"attempt {newest} of this job has begun, so attempt {attempt.number} stops and writes nothing more to "
            f"{output.uri}"
        )
    owner = _owner(output)
    # Outside of a cluster a job has no uid.
    if owner and attempt.job and owner != attempt.job:
        raise InvalidInput(
            f"output.uri: {output.uri} belongs to another job now, which prepared its data there later; give each job "
            "an output.uri of its own"
        )


def _begun(output: Store, attempt: AttemptId) -> Iterator[int]:
    """Yield the numbers of the attempts of this job that have begun."""
    for stored in output.list(ATTEMPTS_FOLDER):
        match = _BEGUN_KEY.fullmatch(stored.key)
        if match and match.group(2) == attempt.job_mark:
            yield int(match.group(1))


def _owner(output: Store) -> str:
    """Return the uid of the job that owns the folder; empty if none is known."""
    if output.find(OWNER_KEY) is None:
        return ""
    try:
        return Owner.model_validate_json(output.read(OWNER_KEY)).job
    except ValidationError:
        return ""
