import pytest

from posefleet_trainer.dataset.prepared import Prepared, SourceFile, StoredFile, Video, keypoint_numbers
from posefleet_trainer.errors import InvalidInput


def test_names_and_numbers_mean_the_same():
    assert keypoint_numbers(["tail", 0], ["nose", "tail"], "dataset.skeleton") == [1, 0]


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InvalidInput, match=r"dataset.skeleton names keypoint 'ear'; the labels have nose, tail"):
        keypoint_numbers(["ear"], ["nose", "tail"], "dataset.skeleton")


def test_number_beyond_the_last_is_refused():
    with pytest.raises(InvalidInput, match=r"keypoint 2; the labels have numbers 0 to 1"):
        keypoint_numbers([2], ["nose", "tail"], "dataset.skeleton")


def test_files_of_a_data_set_are_its_archive_and_those_of_its_videos():
    def stored(key: str) -> StoredFile:
        return StoredFile(key=key, size_bytes=1, sha256="0")

    source = SourceFile(path="a.mp4", size_bytes=1, etag="e")
    plain = Video(source=source, width=8, height=8, frames=9, frames_per_second=25, index=stored("i"))
    clip = plain.model_copy(update={"proxy": stored("p"), "proxy_index": stored("pi")})
    prepared = Prepared(
        format="lightningPose",
        keypoints=["nose"],
        columns=["nose"],
        frames=[],
        frames_archive=stored("f"),
        clip_videos=[clip],
        predict_videos=[plain],
        warnings=[],
    )
    assert [file.key for file in prepared.files()] == ["f", "i", "p", "pi", "i"]
