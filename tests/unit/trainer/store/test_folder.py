import errno
import os
from pathlib import Path

import pytest

from posefleet_trainer.errors import InvalidInput, StoreUnreachable
from posefleet_trainer.store.folder import FolderStore
from posefleet_trainer.store.open import check_writable, find_file, open_store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "project")


def test_what_was_written_is_found_listed_and_read(store: FolderStore):
    for key in ("b/c.txt", "a.txt", "b/a.txt", "ba.txt"):
        store.write(key, key.encode())

    assert [stored.key for stored in store.list()] == ["a.txt", "b/a.txt", "b/c.txt", "ba.txt"]
    assert [stored.key for stored in store.list("b")] == ["b/a.txt", "b/c.txt", "ba.txt"]
    assert [stored.key for stored in store.list("b/")] == ["b/a.txt", "b/c.txt"]
    assert store.read("b/c.txt") == b"b/c.txt"
    assert store.find("nothing") is None
    assert store.find("b") is None


def test_folder_that_does_not_exist_lists_as_empty(store: FolderStore):
    assert list(store.list()) == []


def test_tag_changes_with_the_content(store: FolderStore):
    store.write("a", b"1")
    before = store.find("a")
    store.write("a", b"2")
    assert before is not None
    assert store.find("a") != before
    with pytest.raises(InvalidInput, match=r"a changed while it was read"):
        store.read_range(before, 0, 1)


def test_download_is_a_verified_copy(store: FolderStore, tmp_path: Path):
    store.write("a", b"content")
    found = store.find("a")
    assert found is not None
    store.download(found, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert store.read_range(found, 3, 2) == b"te"


def test_upload_replaces_and_leaves_no_rest(store: FolderStore, tmp_path: Path):
    store.write("a", b"old")
    source = tmp_path / "source"
    source.write_bytes(b"new")
    store.upload(source, "a")
    assert store.read("a") == b"new"
    assert [stored.key for stored in store.list()] == ["a"]
    store.delete("a")
    store.delete("a")
    assert list(store.list()) == []


def test_missing_file_is_named_with_the_remedy(store: FolderStore):
    with pytest.raises(InvalidInput, match=rf"{store.uri}a/b does not exist; put it there"):
        store.read("a/b")


def test_link_out_of_the_folder_is_not_followed(store: FolderStore, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    store.write("inside", b"x")
    (tmp_path / "project" / "link").symlink_to(secret)
    with pytest.raises(InvalidInput, match="link out of its folder"):
        store.read("link")


def test_key_with_dots_does_not_leave_the_folder(store: FolderStore):
    with pytest.raises(InvalidInput, match="not a path inside"):
        store.write("../x", b"")


def test_child_is_a_folder_inside(store: FolderStore):
    store.child("a/b").write("c", b"x")
    assert store.read("a/b/c") == b"x"
    assert store.child("a/b").uri == f"{store.uri}a/b/"


def test_a_folder_that_cannot_be_read_is_not_empty(store: FolderStore, monkeypatch: pytest.MonkeyPatch):
    store.write("videos/a", b"x")
    scan = os.scandir

    def fail(path: str) -> object:
        if str(path).endswith("videos"):
            raise OSError(errno.EIO, "Input/output error", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(StoreUnreachable, match="Input/output error"):
        list(store.list())


def test_a_name_in_another_encoding_hides_no_other(store: FolderStore, tmp_path: Path):
    store.write("a", b"x")
    (tmp_path / "project" / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"x")
    assert [stored.key for stored in store.list()] == ["a"]


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write everywhere")
def test_folder_without_write_permission_is_named_for_permissions(tmp_path: Path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InvalidInput, match="may not write it"):
        check_writable(FolderStore(tmp_path / "locked"))


def test_folder_in_the_way_of_a_file_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"file/x/"):
        check_writable(FolderStore(tmp_path / "file" / "x"))


def test_probe_leaves_nothing_behind(store: FolderStore):
    check_writable(store)
    assert list(store.list()) == []


def test_uris_are_opened_by_kind(tmp_path: Path):
    store = open_store(f"file://{tmp_path}/a%20b/", None, patience_seconds=1)
    store.write("x", b"1")
    assert (tmp_path / "a b" / "x").read_bytes() == b"1"


def test_a_file_is_found_in_the_folder_that_contains_it(tmp_path: Path):
    names = {"model.pth": "model.pth", "my%20model.pth": "my model.pth"}
    (tmp_path / "w").mkdir()
    for written, name in names.items():
        (tmp_path / "w" / name).write_bytes(b"weights")
        store, found = find_file(f"file://{tmp_path}/w/{written}", None, "model.weights", patience_seconds=1)
        assert (store.uri, found.key, found.size_bytes) == (f"file://{tmp_path}/w/", name, 7)


def test_a_file_that_does_not_exist_is_refused_with_the_field_that_names_it(tmp_path: Path):
    uri = f"file://{tmp_path}/w/model.pth"
    with pytest.raises(InvalidInput, match=rf"^model.weights: {uri} does not exist; upload it or correct the URI$"):
        find_file(uri, None, "model.weights", patience_seconds=1)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://lab/x/", "needs storage: add storage.endpoint"),
        ("ftp://lab/x/", "neither s3://"),
        ("s3:///x/", "neither s3://"),
        ("lab", "neither s3://"),
    ],
)
def test_other_uris_are_refused(uri: str, words: str):
    with pytest.raises(InvalidInput, match=words):
        open_store(uri, None, patience_seconds=1)
