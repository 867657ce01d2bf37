"""The store of a folder in this machine's file system: ``file:///PATH/``."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posefleet_trainer.errors import InvalidInput, StoreUnreachable
from posefleet_trainer.store.base import StoredObject, checked_key, folder_prefix, is_safe_key
from posefleet_trainer.store.files import growing_file

_UNFINISHED = (".posefleet-", ".part")


class FolderStore:
    """A ``Store`` in a folder. The tag of a file is made of its modification time and its size."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = f"file://{str(root).rstrip('/')}/"

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _inside(self, key: str) -> Path:
        """Return the file's path, which must be inside the root after symbolic links are resolved."""
        path = self._path(key)
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise InvalidInput(f"{self.uri}{key} is a link out of its folder; put the file itself there")
        return path

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the files below the folder of ``prefix``; unfinished and unsafe ones are left out."""
        folder = self._root / prefix.rpartition("/")[0]
        with self._explained(prefix, "list"):
            walk = os.walk(folder, onerror=_unless_missing)
            names = [Path(where, name) for where, _, files in walk for name in files]
        keys = sorted((str(path.relative_to(self._root)) for path in names), key=os.fsencode)
        for key in keys:
            if key.startswith(prefix) and is_safe_key(key) and not _is_unfinished(key):
                found = self.find(key)
                if found is not None:
                    yield found

    def find(self, key: str) -> StoredObject | None:
        """Describe the file by one ``stat``."""
        with self._explained(key, "read"):
            path = self._path(key)
            if not path.is_file():
                return None
            return _describe(key, path)

    def read(self, key: str) -> bytes:
        """Read the whole file."""
        with self._explained(key, "read"):
            return self._inside(key).read_bytes()

    def read_range(self, stored: StoredObject, offset: int, length: int) -> bytes:
        """Read a part of the file by one ``pread``, if the file is unchanged."""
        with self._explained(stored.key, "read"):
            self._check_unchanged(stored)
            with self._inside(stored.key).open("rb") as file:
                return os.pread(file.fileno(), length, offset)

    def download(self, stored: StoredObject, target: Path) -> None:
        """Copy the file, and check afterwards that it is unchanged."""
        with (
            self._explained(stored.key, "read"),
            self._inside(stored.key).open("rb") as source,
            growing_file(target, stored.size_bytes) as descriptor,
        ):
            with os.fdopen(os.dup(descriptor), "wb") as sink:
                shutil.copyfileobj(source, sink, 4 * 2**20)
            self._check_unchanged(stored)

    def _check_unchanged(self, stored: StoredObject) -> None:
        now = _describe(stored.key, self._path(stored.key))
        if (now.size_bytes, now.etag) != (stored.size_bytes, stored.etag or now.etag):
            raise InvalidInput(
                f"{self.uri}{stored.key} changed while it was read; wait until it is written and apply the job again"
            )

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write a temporary file in the same folder, and rename it."""
        del content_type
        with self._replacing(key) as beside:
            beside.write_bytes(content)

    def upload(self, source: Path, key: str, content_type: str = "application/octet-stream") -> None:
        """Copy to a temporary file in the same folder, and rename it."""
        del content_type
        with self._replacing(key) as beside:
            shutil.copyfile(source, beside)

    @contextmanager
    def _replacing(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        beside = path.with_name(f"{_UNFINISHED[0]}{secrets.token_hex(8)}{_UNFINISHED[1]}")
        with self._explained(key, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield beside
                with beside.open("rb") as file:
                    os.fsync(file.fileno())
                beside.replace(self._inside(key))
            finally:
                beside.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """Unlink the file."""
        with self._explained(key, "delete"):
            self._path(key).unlink(missing_ok=True)

    def child(self, prefix: str) -> "FolderStore":
        """Return the store of a folder inside this one."""
        inner = folder_prefix(prefix).rstrip("/")
        return FolderStore(self._root / checked_key(inner) if inner else self._root)

    @contextmanager
    def _explained(self, key: str, action: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise InvalidInput(f"{self.uri}{key} does not exist; put it there or correct the name") from error
        except PermissionError as error:
            raise InvalidInput(
                f"{self.uri}{key}: this process (user {os.getuid()}) may not {action} it; "
                "give it that permission or name another folder"
            ) from error
        except OSError as error:
            raise StoreUnreachable(f"{self.uri}{key}: {error.strerror or error}; check the disk it lies on") from error


def _unless_missing(error: OSError) -> None:
    """Ignore that a folder is missing, which then has no files, but not that it cannot be read."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _describe(key: str, path: Path) -> StoredObject:
    status = path.stat()
    return StoredObject(key, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}")


def _is_unfinished(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name.startswith(_UNFINISHED[0]) and name.endswith(_UNFINISHED[1])
