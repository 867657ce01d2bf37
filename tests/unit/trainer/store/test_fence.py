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
    assert store.find("a/b.txt") == listed
    store.download(listed, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == store.read("a/b.txt") == store.read_range(listed, 0, 7) == b"content"
    assert store.child("a/").find("b.txt") is not None
    store.delete("a/b.txt")
    assert store.find("a/b.txt") is None
    assert store.find("attempts/1/begun-" + AttemptId("job", 1).job_mark + ".json") is None
