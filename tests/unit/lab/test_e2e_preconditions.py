"""``make e2e`` fails on a machine that cannot run it, and skips there only where the caller asks for that."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.preconditions import SKIP_E2E, stop_or_skip

REPOSITORY = Path(__file__).parents[3]
WITHOUT_CONTAINERD = """
from posefleet_lab import system_programs
system_programs.is_installed = lambda program: program not in {"containerd", "ctr", "runc"}
system_programs.os.geteuid = lambda: 0
"""


def run_e2e_without_containerd(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run end-to-end tests with their real conftest, as if this machine had no containerd and no runc."""
    (tmp_path / "without_containerd.py").write_text(WITHOUT_CONTAINERD)
    inherited = {name: value for name, value in os.environ.items() if name != SKIP_E2E}
    command = [sys.executable, "-m", "pytest", "-p", "without_containerd", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "tests/e2e/test_container_node.py"],
        cwd=REPOSITORY,
        env={**inherited, "PYTHONPATH": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_e2e_fails_and_names_the_packages_where_it_cannot_run(tmp_path: Path) -> None:
    done = run_e2e_without_containerd(tmp_path)

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "missing programs: containerd, ctr, runc" in done.stderr
    assert "`apt-get install --no-install-recommends containerd runc`" in done.stderr
    assert f"set {SKIP_E2E}=1" in done.stderr
    assert "skipped" not in done.stdout


def test_e2e_skips_on_purpose_where_the_caller_asks_for_it(tmp_path: Path) -> None:
    done = run_e2e_without_containerd(tmp_path, **{SKIP_E2E: "1"})

    assert done.returncode == pytest.ExitCode.OK, done.stderr
    assert f"skipped on purpose, because {SKIP_E2E}=1: this machine cannot run the container node" in done.stdout
    assert "passed" not in done.stdout


@pytest.mark.parametrize("target", ["e2e", "e2e-image"])
def test_make_hands_the_switch_on(target: str) -> None:
    def recipe(*arguments: str) -> str:
        command = ["make", "--dry-run", target, *arguments]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    assert f"{SKIP_E2E}=1 " in recipe("SKIP=1")
    assert SKIP_E2E not in recipe()


class Item:
    """A collected test as far as ``stop_or_skip`` reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: list[str] = []

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.reasons.append(marker.kwargs["reason"])


@pytest.mark.parametrize("value", [{}, {"S": ""}, {"S": "0"}])
def test_only_1_means_skip(tmp_path: Path, value: dict[str, str]) -> None:
    item = Item(tmp_path / "test_a.py")

    with pytest.raises(pytest.UsageError, match=r"(?s)no GPU.*set S=1"):
        stop_or_skip(tmp_path, [item], "no GPU", "S", value)
    assert item.reasons == []


def test_tests_of_other_folders_run_on_where_one_folder_is_skipped(tmp_path: Path) -> None:
    here, elsewhere = Item(tmp_path / "gpu" / "test_a.py"), Item(tmp_path / "unit" / "test_b.py")

    stop_or_skip(tmp_path / "gpu", [here, elsewhere], "no GPU:\n  details", "S", {"S": "1"})

    assert here.reasons == ["skipped on purpose, because S=1: no GPU"]
    assert elsewhere.reasons == []
    stop_or_skip(tmp_path / "gpu", [elsewhere], "no GPU", "S", {})


def test_nothing_is_skipped_where_nothing_is_missing(tmp_path: Path) -> None:
    item = Item(tmp_path / "test_a.py")

    stop_or_skip(tmp_path, [item], "", "S", {"S": "1"})

    assert item.reasons == []
