import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posefleet_trainer.errors import InvalidInput, Superseded
from posefleet_trainer.store.fence import AttemptId, claim, fenced
from posefleet_trainer.store.folder import FolderStore


@pytest.fixture
def output(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "output")


def test_a_newer_attempt_stops_an_older_one_before_any_change(output: FolderStore, tmp_path: Path):
    old = fenced(output, AttemptId("uid", 1), begins=True)
    old.write("report/index.html", b"first")
    new = fenced(output, AttemptId("uid", 2), begins=True)
    new.write("report/index.html", b"second")
    (tmp_path / "file").write_bytes(b"third")
    changes = (
        lambda: old.write("report/index.html", b"third"),
        lambda: old.upload(tmp_path / "file", "report/index.html"),
        lambda: old.delete("report/index.html"),
        lambda: old.child("report/").write("index.html", b"third"),
    )
    for change in changes:
        with pytest.raises(Superseded, match="attempt 2 of this job has begun, so attempt 1 stops and writes nothing"):
            change()
    assert new.read("report/index.html") == b"second"


def test_an_older_attempt_that_begins_late_stops_at_once_and_leaves_the_newer_one_alone(output: FolderStore):
    new = fenced(output, AttemptId("uid", 10), begins=True)
    with pytest.raises(Superseded):
        fenced(output, AttemptId("uid", 9), begins=True)
    new.write("summary.json", b"{}")


def test_higher_numbers_of_an_earlier_job_in_the_same_folder_do_not_count(output: FolderStore):
    fenced(output, AttemptId("earlier job", 7), begins=True)
    claim(output, AttemptId("job", 0))
    fenced(output, AttemptId("job", 1), begins=True).write("summary.json", b"{}")


def test_an_attempt_of_a_job_that_no_longer_owns_the_folder_stops(output: FolderStore):
    claim(output, AttemptId("earlier job", 0))
    old = fenced(output, AttemptId("earlier job", 7), begins=True)
    claim(output, AttemptId("job", 0))
    with pytest.raises(InvalidInput, match="belongs to another job now"):
        old.write("summary.json", b"{}")


def test_a_job_outside_of_a_cluster_goes_on_in_the_same_folder(output: FolderStore):
    claim(output, AttemptId("a job of a cluster", 0))
    for _ in range(2):
        fenced(output, AttemptId("", 0), begins=True).write("summary.json", b"{}")


def test_a_damaged_owner_does_not_end_a_training(output: FolderStore):
    output.write("attempts/owner.json", b"{")
    fenced(output, AttemptId("job", 1), begins=True).write("summary.json", b"{}")


def test_reading_goes_through(output: FolderStore, tmp_path: Path):
    store = fenced(output, AttemptId("job", 1), begins=False)
    store.write("a/b.txt", b"content")
    (listed,) = store.list("a/")
    assert list(store.list()) == [listed]
    assert store.find("a/b.txt") == listed
    store.download(listed, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == store.read("a/b.txt") == store.read_range(listed, 0, 7) == b"content"
    assert store.child("a/").find("b.txt") is not None
    store.delete("a/b.txt")
    assert store.find("a/b.txt") is None
    assert store.find("attempts/begun/1-" + AttemptId("job", 1).job_mark + ".json") is None


def test_a_mark_and_an_owner_say_which_job_left_them_and_when(output: FolderStore):
    begun = datetime.now(UTC)
    claim(output, AttemptId("uid", 0))
    fenced(output, AttemptId("uid", 3), begins=True)

    assert json.loads(output.read("attempts/owner.json")) == {"job": "uid"}
    # The first eight digits of the SHA-256 of "uid": versions of the trainer must agree on the key.
    mark = json.loads(output.read("attempts/begun/3-17b788a7.json"))
    assert (mark["job"], mark["attempt"]) == ("uid", 3)
    written = datetime.fromisoformat(mark["time"])
    assert written.utcoffset() is not None
    assert abs((written - begun).total_seconds()) < 60
    assert "." not in mark["time"]


@pytest.mark.parametrize(
    "name", ["9-{mark}.json.part", "x9-{mark}.json", "9-{mark}0.json", "9-00000000.json", "notes.txt"]
)
def test_other_files_beside_the_marks_do_not_count(name: str, output: FolderStore):
    attempt = AttemptId("uid", 1)
    output.write("attempts/begun/" + name.format(mark=attempt.job_mark), b"{}")
    fenced(output, attempt, begins=True).write("summary.json", b"{}")


class TypedStore(FolderStore):
    """Remembers the content types, which a folder does not keep."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.types: dict[str, str] = {}

    def write(self, key: str, content: bytes, content_type: str = "none given") -> None:
        self.types[key.rsplit("/", maxsplit=1)[-1]] = content_type
        super().write(key, content, content_type)

    def upload(self, source: Path, key: str, content_type: str = "none given") -> None:
        self.types[key.rsplit("/", maxsplit=1)[-1]] = content_type
        super().upload(source, key, content_type)


def test_content_types_go_through(tmp_path: Path):
    output = TypedStore(tmp_path / "output")
    (tmp_path / "file").write_bytes(b"content")
    claim(output, AttemptId("uid", 0))
    store = fenced(output, AttemptId("uid", 1), begins=True)
    store.write("a.html", b"", "text/html")
    store.upload(tmp_path / "file", "b.mp4", "video/mp4")
    store.write("c", b"")
    store.upload(tmp_path / "file", "d")

    binary = "application/octet-stream"
    begun = {"owner.json": "application/json", "1-17b788a7.json": "application/json"}
    assert output.types == {**begun, "a.html": "text/html", "b.mp4": "video/mp4", "c": binary, "d": binary}
    assert store.uri == output.uri
    assert store.read("a.html") == b""
