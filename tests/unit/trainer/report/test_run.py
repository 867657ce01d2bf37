"""The stage, on a tiny project with a network that knows nothing."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from posefleet_trainer.prediction.predict import predict
from posefleet_trainer.report import labelled_videos as videos
from posefleet_trainer.report.material import Material
from posefleet_trainer.report.pictures import worst_rows
from posefleet_trainer.report.report import report
from posefleet_trainer.report.tables import summary
from posefleet_trainer.store.cache import CacheFull, NodeCache
from posefleet_trainer.store.folder import FolderStore
from unit.trainer.report.results import Made


def test_the_stage_leaves_page_summary_and_videos_and_says_where(made):
    context = made.context
    predictions = predict(context, made.prepared, made.model)
    artifacts = report(context, made.prepared, made.model, predictions)
    output = context.output
    assert artifacts.report == f"{output.uri}report/index.html"
    assert artifacts.predictions == f"{output.uri}predictions/"
    assert artifacts.model == f"{output.uri}model/model.pt"
    assert artifacts.labelled_videos == [f"{output.uri}labelled_videos/vid.mp4"]
    assert b"<title>tiny" in output.read("report/index.html")
    assert json.loads(output.read("summary.json"))["job"] == "tiny"
    with av.open(artifacts.labelled_videos[0].removeprefix("file://")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 40
    assert context.progress.report().progress.display == "report 100%"
    assert not list(context.cache_directory.glob("labelled-*"))


def test_labelled_videos_can_be_left_out(made):
    spec = made.context.job.spec
    without = spec.model_copy(update={"predict": spec.predict.model_copy(update={"labelled_video": False})})
    job = made.context.job.model_copy(update={"spec": without})
    context = replace(made.context, job=job, output=made.context.output.child("bare/"))
    artifacts = report(context, made.prepared, made.model, predict(context, made.prepared, made.model))
    assert artifacts.labelled_videos == []
    assert b"labelled video</a>" not in context.output.read("report/index.html")
    assert context.output.find("labelled_videos/vid.mp4") is None


def small_cache(made: Made, directory: Path) -> Material:
    """A report whose cache holds the video and its index, and nothing beside them."""
    material = made.material()
    video = material.predictions.videos[0].video
    size = video.source.size_bytes + video.index.size_bytes
    return replace(material, cache=NodeCache(directory, size))


def in_use(directory: Path, project: Path) -> tuple[NodeCache, Path]:
    """Another rank's cache on the same folder, and what it reads there."""
    other = NodeCache(directory, 10**9)
    (project / "other.bin").write_bytes(bytes(1000))
    store = FolderStore(project)
    stored = store.find("other.bin")
    return other, other.fetch(store, stored.key, stored.size_bytes, stored.etag)


def test_a_video_waits_until_another_rank_leaves_room_for_it(made, tmp_path, monkeypatch):
    material = small_cache(made, tmp_path / "cache")
    other, path = in_use(tmp_path / "cache", tmp_path)
    monkeypatch.setattr(videos, "_LOOK_AGAIN_SECONDS", 0.05)
    releasing = threading.Timer(0.5, other.release, [path])
    releasing.start()
    made.context.output.delete("labelled_videos/vid.mp4")
    videos.write_labelled_videos(material)
    releasing.join()
    assert made.context.output.find("labelled_videos/vid.mp4") is not None


def test_a_cache_that_nobody_leaves_is_too_small(made, tmp_path, monkeypatch):
    material = small_cache(made, tmp_path / "cache")
    other, path = in_use(tmp_path / "cache", tmp_path)
    monkeypatch.setattr(videos, "_LOOK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(videos, "_MEET_EVERY_SECONDS", 0.2)
    with pytest.raises(CacheFull, match=r"raise resources\.cachePerNode"):
        videos.write_labelled_videos(material)
    other.release(path)


def test_frames_that_were_not_trained_on_are_the_worst_first(made):
    results = made.material().predictions.frames
    sets = [results.sets[row] for row in worst_rows(results, 100)]
    assert "train" in sets
    assert "train" not in sets[: len(sets) - sets.count("train")]


def test_the_summary_is_plain_json_with_the_error_of_every_set(made):
    said = json.loads(json.dumps(summary(made.material(), datetime.now(UTC))))
    assert set(said["pixelError"]) == {"train", "validation", "test"}
    assert said["pixelError"]["test"]["meanPixelsByKeypoint"].keys() == {"red", "green", "blue"}
    assert said["videos"] == {"vid": {"frames": 40}}
