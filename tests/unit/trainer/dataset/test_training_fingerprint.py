"""Which inputs of a training change its fingerprint."""

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from posefleet_trainer.dataset.fingerprint import training_fingerprint
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared, SourceFile, StoredFile, Video


def stored(digit: str) -> StoredFile:
    return StoredFile(key=f"files/{digit}", size_bytes=1, sha256=64 * digit)


def a_video(proxy: StoredFile | None) -> Video:
    source = SourceFile(path="a.mp4", size_bytes=1, etag="e")
    return Video(source=source, width=8, height=6, frames=9, frames_per_second=25, proxy=proxy, index=stored("1"))


PREPARED = Prepared(
    format="lightningPose",
    keypoints=["nose", "tail"],
    columns=["nose", "tail"],
    frames=[LabelledFrame(path="a.png", width=8, height=6, points=[[1.0, 2.0], None], set="labelled")],
    frames_archive=stored("a"),
    clip_videos=[a_video(stored("b"))],
    predict_videos=[a_video(None)],
    warnings=[],
)


def a_spec(resume_from: str = "") -> Any:
    """A specification whose parts are the texts of their names."""

    def part(name: str) -> Any:
        return SimpleNamespace(choices=lambda: name)

    return SimpleNamespace(
        dataset=SimpleNamespace(split=part("split")),
        model=part("model"),
        losses=part("losses"),
        training=part("training"),
        checkpoint=SimpleNamespace(resume_from=resume_from),
    )


@pytest.mark.parametrize("resume_from", ["", "s3://lab/model.pt"])
def test_a_new_release_continues_the_trainings_of_the_one_before(resume_from: str):
    texts = ["split", "model", "losses", "training", "nose,tail", 64 * "a", PREPARED.frames[0].choices(), 64 * "b"]
    if resume_from:
        texts.append(resume_from)
    expected = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    assert training_fingerprint(a_spec(resume_from), PREPARED) == expected


def test_another_proxy_of_a_video_changes_the_fingerprint():
    other = PREPARED.model_copy(update={"clip_videos": [a_video(stored("c"))]})
    assert training_fingerprint(a_spec(), other) != training_fingerprint(a_spec(), PREPARED)


def test_videos_without_a_proxy_do_not_change_the_fingerprint():
    more = PREPARED.model_copy(update={"clip_videos": [*PREPARED.clip_videos, a_video(None)]})
    assert training_fingerprint(a_spec(), more) == training_fingerprint(a_spec(), PREPARED)
