"""The Debian mirror from which base images are made."""

import pytest

from posefleet_lab.images import debian_mirror


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "sources.list.d/debian.sources",
            "Types: deb\n# a note\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\n",
        ),
        (
            "sources.list",
            "deb http://m/security bookworm-security main\ndeb [arch=amd64] http://m/debian bookworm main\n",
        ),
    ],
)
def test_the_mirror_is_apts_own(tmp_path, file, text):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text)
    assert debian_mirror(tmp_path) == "http://m/debian"


def test_another_release_has_no_mirror_for_this_one(tmp_path):
    (tmp_path / "sources.list").write_text("deb http://m/ubuntu noble main\n")
    assert debian_mirror(tmp_path) is None
