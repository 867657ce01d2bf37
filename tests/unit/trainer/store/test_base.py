import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import checked_key, folder_prefix, is_safe_key


@pytest.mark.parametrize(
    "key", ["a", "labeled-data/a b/img.png", "…/ü.mp4", "a/..b/c..", ".hidden", "a\u3000b", "3.00\u202fPM"]
)
def test_plain_paths_are_keys(key: str):
    assert checked_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\0b", "a\nb", "a\u2028b", "\udce9", "x" * 1025]
)
def test_paths_that_could_lead_out_are_refused(key: str):
    with pytest.raises(InvalidInput, match="not a path inside its folder"):
        checked_key(key)


@given(st.text(alphabet="ab./\\\0é", max_size=20))
def test_a_safe_key_never_leaves_its_root(key: str):
    if is_safe_key(key):
        joined = posixpath.normpath(posixpath.join("/root/x", key))
        assert joined == f"/root/x/{key}"


def test_folder_prefix_ends_with_one_slash():
    assert [folder_prefix(path) for path in ("", "/", "a", "/a/b/")] == ["", "", "a/", "a/b/"]
