import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from posefleet_trainer.dataset.frames import FrameArchive
from posefleet_trainer.errors import InvalidInput, Preempted
from posefleet_trainer.preparation.load import load_prepared
from posefleet_trainer.preparation.prepare import prepare, what_was_found
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.telemetry.metrics import DECODED_FRAMES
from posefleet_trainer.video.decode import read_clip
from posefleet_trainer.video.index import VideoIndex
from unit.trainer.dataset.projects import KEYPOINTS, ProjectFolder, a_context
from unit.trainer.video.recordings import KINDS, Recording


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def decoded_frames() -> float:
    return DECODED_FRAMES._value.get()


def test_prepared_data_are_what_training_reads(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)

    prepared = prepare(context)

    assert load_prepared(context) == prepared
    assert prepared.keypoints == list(KEYPOINTS)
    assert [frame.path for frame in prepared.frames] == list(folder.rows)
    assert prepared.frames[0].points == [list(point) for point in folder.rows["labeled-data/img00.png"]]
    cache = NodeCache(tmp_path / "node", 10**9)
    archive = cache.fetch(
        context.prepared,
        prepared.frames_archive.key,
        prepared.frames_archive.size_bytes,
        prepared.frames_archive.sha256,
    )
    assert FrameArchive(archive).image("labeled-data/img03.png").shape == (96, 128, 3)
    assert context.progress.report().progress.percent == 100


def test_what_was_found_is_said_in_a_sentence(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    prepared = prepare(context)

    warnings = context.progress.report().warnings
    counted = f"6 labelled frames of {len(KEYPOINTS)} keypoints, 1 video"
    assert context.progress.conclusion == counted + (f", {len(warnings)} warnings" if warnings else "")
    assert what_was_found(prepared.model_copy(update={"keypoints": ["nose"]}), 1) == (
        "6 labelled frames of 1 keypoint, 1 video, 1 warning"
    )


def test_proxy_and_its_index_are_at_training_size(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    video = prepare(context).clip_videos[0]
    assert video.proxy is not None
    assert video.proxy_index is not None
    cache = NodeCache(tmp_path / "node", 10**9)
    proxy, index = (
        cache.fetch(context.prepared, file.key, file.size_bytes, file.sha256)
        for file in (video.proxy, video.proxy_index)
    )
    assert (video.frames, video.width, video.height) == (20, 128, 96)
    assert read_clip(proxy, VideoIndex.load(index), 3, 16).shape == (16, 64, 96, 3)


def test_second_job_on_the_same_data_downloads_and_decodes_nothing(
    folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = prepare(a_context(tmp_path, "one"))
    before = decoded_frames()
    monkeypatch.setattr(NodeCache, "fetch", lambda *_: pytest.fail("nothing is to be downloaded"))

    again = a_context(tmp_path, "two")

    assert prepare(again) == first
    assert load_prepared(again) == first
    assert decoded_frames() == before


def test_warnings_are_told_again_to_a_second_job(folder: ProjectFolder, tmp_path: Path):
    folder.rows["labeled-data/img00.png"][0] = (500.0, 3.0)
    folder.with_labels()
    for name in ("one", "two"):
        context = a_context(tmp_path, name)
        prepare(context)
        assert "img00.png" in context.progress.report().warnings[0]


def test_lost_prepared_file_is_made_anew(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    prepared = prepare(context)
    assert prepared.clip_videos[0].proxy is not None
    context.prepared.delete(prepared.clip_videos[0].proxy.key)
    assert prepare(context) == prepared
    assert context.prepared.find(prepared.clip_videos[0].proxy.key) is not None


def test_one_more_video_costs_one_video(folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prepare(a_context(tmp_path))
    folder.with_video("videos/b.mp4", Recording(frames=30))
    fetched: list[str] = []
    fetch = NodeCache.fetch

    def counted(cache: NodeCache, store: object, key: str, *rest: object) -> Path:
        fetched.append(key)
        return fetch(cache, store, key, *rest)

    monkeypatch.setattr(NodeCache, "fetch", counted)
    before = decoded_frames()

    prepared = prepare(a_context(tmp_path))

    assert [video.frames for video in prepared.clip_videos] == [20, 30]
    assert fetched == ["videos/b.mp4"]
    assert decoded_frames() - before < 50


def test_other_image_size_makes_other_proxies_of_the_same_frames(folder: ProjectFolder, tmp_path: Path):
    small = prepare(a_context(tmp_path))
    large = prepare(a_context(tmp_path, model={"imageSize": {"height": 128, "width": 128}}))
    assert small.frames_archive == large.frames_archive
    assert small.clip_videos[0].index == large.clip_videos[0].index
    assert small.clip_videos[0].proxy != large.clip_videos[0].proxy


def test_without_unsupervised_losses_no_proxy_is_made(folder: ProjectFolder, tmp_path: Path):
    prepared = prepare(a_context(tmp_path, losses={}))
    assert prepared.clip_videos == []
    assert [video.proxy for video in prepared.predict_videos] == [None]


def test_new_labels_are_out_of_distribution(folder: ProjectFolder, tmp_path: Path):
    new = ProjectFolder(tmp_path / "project").with_picture("labeled-data/new.png")
    new.rows["labeled-data/new.png"] = [(1.0, 2.0), None]
    new.with_labels("CollectedData_new.csv")
    frames = prepare(a_context(tmp_path)).frames
    assert [frame.path for frame in frames if frame.set == "outOfDistribution"] == ["labeled-data/new.png"]
    assert len(frames) == 7


def test_frames_of_another_size_than_the_rest_are_told(folder: ProjectFolder, tmp_path: Path):
    folder.with_frames(1, size=(90, 50))
    context = a_context(tmp_path)
    assert {(frame.width, frame.height) for frame in prepare(context).frames} == {(128, 96), (50, 90)}
    (warning,) = context.progress.report().warnings
    assert warning.startswith("labeled-data/img00.png has 128x96 pixels and labeled-data/img06.png 50x90: each is")


def test_labels_outside_their_frame_are_dropped_counted_and_told(folder: ProjectFolder, tmp_path: Path):
    folder.rows["labeled-data/img01.png"] = [(128.0, 3.0), (-0.5, 95.5)]
    folder.rows["labeled-data/img02.png"][0] = (3.0, -2.0)
    folder.with_labels()
    context = a_context(tmp_path)

    prepared = prepare(context)

    assert prepared.frames[1].points == [None, [-0.5, 95.5]]
    (warning,) = context.progress.report().warnings
    assert "dropped 2 label(s) outside their frames" in warning
    assert "row 5 (labeled-data/img01.png) nose at (128, 3) of 128x96" in warning


def test_frames_without_labels_are_dropped_and_need_no_picture(folder: ProjectFolder, tmp_path: Path):
    folder.rows["labeled-data/lost.png"] = [None, None]
    folder.with_labels()
    context = a_context(tmp_path)
    assert len(prepare(context).frames) == 6
    assert "1 of 7 frames have no usable label" in context.progress.report().warnings[0]


def test_keypoint_that_is_never_labelled_is_told(folder: ProjectFolder, tmp_path: Path):
    for points in folder.rows.values():
        points[1] = None
    folder.with_labels()
    context = a_context(tmp_path)
    prepare(context)
    assert "no frame has a usable label of tail" in context.progress.report().warnings[0]


def test_pattern_of_predict_videos_without_a_match_is_a_warning(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path, predict={"videos": ["other/*.mp4"]})
    assert prepare(context).predict_videos == []
    assert "predict.videos: no file in" in context.progress.report().warnings[0]


def test_videos_shorter_than_a_clip_are_told_and_left_out_of_training(folder: ProjectFolder, tmp_path: Path):
    folder.with_video("videos/short.mp4", Recording(frames=5))
    context = a_context(tmp_path)
    prepare(context)
    assert "videos/short.mp4 has 5 frames, fewer than training.clipLength (16)" in context.progress.report().warnings[0]
    assert [video.source.path for video in load_prepared(context).clip_videos] == ["videos/a.mp4"]
    assert len(load_prepared(context).predict_videos) == 2


@pytest.mark.parametrize("kind", ["variable frame rate", "yuv444p", "hevc", "mpeg4 in mp4", "vp9", "mjpeg"])
def test_videos_of_every_kind_are_prepared(kind: str, folder: ProjectFolder, tmp_path: Path):
    recording, suffix = KINDS[kind]
    folder.with_video(f"videos/b.{suffix}", recording)
    prepared = prepare(a_context(tmp_path, dataset={"videos": ["videos/*"]}, predict={"videos": []}))
    assert [video.frames for video in prepared.clip_videos] == [20, 40]


def test_job_that_is_asked_to_stop_leaves_no_scratch(
    folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from posefleet_trainer.preparation import transcoding as videos

    def stopped(*_: object, **__: object) -> None:
        raise Preempted("asked to stop")

    monkeypatch.setattr(videos, "wait", stopped)
    with pytest.raises(Preempted):
        prepare(a_context(tmp_path))
    assert list((tmp_path / "node" / "scratch").iterdir()) == []
    assert all(not thread.name.startswith("video") for thread in threading.enumerate())


def test_loading_before_preparing_says_so(folder: ProjectFolder, tmp_path: Path):
    with pytest.raises(InvalidInput, match="data are not prepared; run the stage prepare first"):
        load_prepared(a_context(tmp_path))


def test_prepared_data_of_another_manifest_are_not_loaded(folder: ProjectFolder, tmp_path: Path):
    prepare(a_context(tmp_path))
    with pytest.raises(InvalidInput, match="belongs to another manifest"):
        load_prepared(a_context(tmp_path, losses={}))


def test_job_keeps_its_prepared_data_when_the_folder_changes(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    prepared = prepare(context)
    folder.with_video("videos/later.mp4")
    assert load_prepared(context) == prepared


def test_damaged_pointer_is_a_clear_refusal(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    prepare(context)
    context.output.write("prepared.json", b"{")
    with pytest.raises(InvalidInput, match="run the stage prepare first"):
        load_prepared(context)


def test_finding_prepared_data_loads_no_heavy_library(folder: ProjectFolder, tmp_path: Path):
    prepare(a_context(tmp_path))
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "sys.modules['cv2'] = sys.modules['av'] = sys.modules['torch'] = None\n"
        "from posefleet_trainer.preparation.prepare import prepare\n"
        "from posefleet_trainer.context import open_context\n"
        "from posefleet_trainer.context import Rank\n"
        "from posefleet_trainer.telemetry.progress import ProgressTracker\n"
        "from posefleet_api.job import parse_job\n"
        "job = parse_job(json.loads(sys.argv[1]))\n"
        "print(len(prepare(open_context(job, Rank(0, 1, 0, 1), ProgressTracker(1), 1.0)).frames))\n"
    )
    job = json.dumps(a_context(tmp_path).job.to_dict())
    done = subprocess.run([sys.executable, "-c", program, job], capture_output=True, text=True, check=False)
    assert done.stdout == "6\n", done.stderr


def test_real_project_with_both_pca_losses_is_prepared(tmp_path: Path):
    project = Path(__file__).parents[4].parent / "shared/data/mirror-mouse-example"
    if not project.exists():
        pytest.skip(f"the real data are not here: {project}")
    views = [[*range(7)], [*range(8, 15)]]
    losses = {"temporal": {}, "pcaSingleView": {}, "pcaMultiView": {"views": views}}
    context = a_context(tmp_path, dataset={"uri": f"file://{project}/"}, losses=losses)
    prepared = prepare(context)
    assert (len(prepared.frames), prepared.clip_videos[0].frames) == (90, 994)
    assert prepared.warnings == []
    assert np.isfinite([value for frame in prepared.frames for point in frame.points if point for value in point]).all()
