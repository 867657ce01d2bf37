"""Building tools once, into the cache directory, at pinned versions."""

import threading
from pathlib import Path

import pytest

from posefleet_lab.errors import BuildError, LabError
from posefleet_lab.paths import cache_directory
from posefleet_lab.tools import golang
from posefleet_lab.tools.build_once import build_once, quiet
from posefleet_lab.tools.golang import parse_version, required_version


def test_the_cache_directory_can_be_chosen():
    assert cache_directory({"POSEFLEET_CACHE": "/c", "XDG_CACHE_HOME": "/x"}) == Path("/c")
    assert cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/posefleet")
    assert cache_directory({}) == Path.home() / ".cache" / "posefleet"


def test_two_who_ask_at_once_build_once(tmp_path):
    builds = []
    begun = threading.Event()

    def build(directory: Path) -> None:
        begun.set()
        builds.append(directory)
        (directory / "tool").write_text("x")

    threads = [threading.Thread(target=build_once, args=(tmp_path / "tool-1", build, "tool")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert (tmp_path / "tool-1" / "tool").read_text() == "x"


def test_a_failed_build_leaves_nothing(tmp_path):
    def build(directory: Path) -> None:
        (directory / "half").touch()
        raise LabError("no")

    with pytest.raises(LabError):
        build_once(tmp_path / "tool-1", build, "tool")
    assert [entry.name for entry in tmp_path.iterdir()] == [".tool-1.lock"]


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.25rc1 x", (1, 25)), ("", (0, 0))],
)
def test_go_versions(text, version):
    assert parse_version(text) == version


def test_the_pinned_versions_are_read_from_the_go_modules():
    assert required_version("kubelab", "k8s.io/kubernetes").startswith("v1.34.")
    assert required_version("minio-server", "github.com/minio/minio").startswith("v0.0.0-")


def test_a_source_file_is_edited_in_a_copy_only(tmp_path, monkeypatch):
    source, copies = tmp_path / "source", tmp_path / "copies"
    for folder in (source, copies):
        folder.mkdir()
    (source / "main.go").write_text('path := "/etc/fixed"')
    monkeypatch.setattr(golang, "module_directory", lambda *_: source)
    edit = golang.Edit("example.org/program", "main.go", '"/etc/fixed"', '"chosen"')

    assert Path(golang._edited("module", edit, copies, quiet)).read_text() == 'path := "chosen"'
    assert (source / "main.go").read_text() == 'path := "/etc/fixed"'
    (source / "main.go").write_text("path := other")
    with pytest.raises(BuildError, match="adapt the edit"):
        golang._edited("module", edit, copies, quiet)
