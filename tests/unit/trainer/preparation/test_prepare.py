import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.load import load_prepared
from posefleet_trainer.preparation.prepare import describe, prepare
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.telemetry.metrics import DECODED_FRAMES
from unit.trainer.dataset.projects import KEYPOINTS, ProjectFolder, a_context
from unit.trainer.video.recordings import Recording


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def loaded(context: Context) -> Prepared:
    return load_prepared(context.output, context.prepared, context.job.spec)


def decoded_frames() -> float:
    return DECODED_FRAMES._value.get()


def test_prepared_data_are_what_training_reads(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)

    prepared = prepare(context)

    assert loaded(context) == prepared
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
    counted = f"6 labelled frames of {len(KEYPOINTS)} keypoints, 1 video, format lightningPose"
    assert context.progress.conclusion == counted + (f", {len(warnings)} warnings" if warnings else "")
    assert describe(prepared.model_copy(update={"keypoints": ["nose"]}), 1) == (
        "6 labelled frames of 1 keypoint, 1 video, format lightningPose, 1 warning"
    )


def test_second_job_on_the_same_data_downloads_and_decodes_nothing(
    folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = prepare(a_context(tmp_path, "one"))
    before = decoded_frames()
    monkeypatch.setattr(NodeCache, "fetch", lambda *_: pytest.fail("nothing is to be downloaded"))

    again = a_context(tmp_path, "two")

    assert prepare(again) == first
    assert loaded(again) == first
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


def test_output_that_cannot_be_written(folder: ProjectFolder, tmp_path: Path):
    (tmp_path / "out").write_text("a file is in the way")
    context = a_context(tmp_path)
    with pytest.raises(InvalidInput, match=r"out/job/"):
        prepare(context)
