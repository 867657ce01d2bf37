"""Small project folders, and the context of a job on one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posefleet_api.job import parse_job
from posefleet_trainer.context import Context, Rank
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.store.open import open_store
from posefleet_trainer.telemetry.progress import ProgressTracker
from unit.trainer.video.recordings import HEIGHT, WIDTH, Recording

KEYPOINTS = ("nose", "tail")
Point = tuple[float, float] | None


def labels_csv(rows: dict[str, list[Point]], keypoints: tuple[str, ...] = KEYPOINTS) -> str:
    """The text of a labels file."""
    lines = [
        ",".join(["scorer", *["me"] * 2 * len(keypoints)]),
        ",".join(["bodyparts", *[name for name in keypoints for _ in "xy"]]),
        ",".join(["coords", *["x", "y"] * len(keypoints)]),
    ]
    for path, points in rows.items():
        cells = [path, *[str(value) for point in points for value in (point or ("", ""))]]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


@dataclass
class ProjectFolder:
    """A project folder under construction; every step returns it."""

    root: Path
    rows: dict[str, list[Point]] = field(default_factory=dict)

    def with_frames(self, count: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> "ProjectFolder":
        """``count`` more pictures, labelled at places of their own."""
        generator = np.random.default_rng(len(self.rows))
        for number in range(len(self.rows), len(self.rows) + count):
            path = f"labeled-data/img{number:02d}.png"
            self.with_picture(path, size)
            x, y = generator.uniform(10, 50, size=2).round(2)
            self.rows[path] = [(float(x), float(y)), (float(y), float(x) / 2)]
        return self.with_labels()

    def with_picture(self, path: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> "ProjectFolder":
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(abs(hash(path)) % 1000).integers(0, 255, (*size, 3), dtype=np.uint8)
        assert cv2.imwrite(str(target), image)
        return self

    def with_labels(self, name: str = "CollectedData.csv", text: str | None = None) -> "ProjectFolder":
        return self.with_file(name, labels_csv(self.rows) if text is None else text)

    def with_file(self, path: str, content: str | bytes) -> "ProjectFolder":
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def with_video(self, name: str = "videos/a.mp4", recording: Recording | None = None) -> "ProjectFolder":
        (recording or Recording(frames=20)).save(self.root / name)
        return self


#: ``spec.losses`` that turn off the losses on clips.
NO_LOSSES_ON_CLIPS = {"temporal": {"weight": 0}, "pcaSingleView": {"weight": 0}}


def a_context(root: Path, name: str = "job", cache_bytes: int = 10**9, **spec: Any) -> Context:
    """A job on ``root``/project that writes to ``root``/out/``name`` and prepares in ``root``/prepared."""
    size = {"height": 64, "width": 96}
    defaults = {
        "dataset": {"uri": f"file://{root}/project/"},
        "output": {"uri": f"file://{root}/out/{name}/", "cacheUri": f"file://{root}/prepared/"},
        "model": {"backbone": "resnet18", "imageSize": size, "weights": "none"},
        "losses": {"pcaSingleView": {"weight": 0}},
    }
    merged = {key: {**defaults.get(key, {}), **spec.get(key, {})} for key in {*defaults, *spec}}
    if "losses" in spec:
        merged["losses"] = spec["losses"]
    kinds = {"apiVersion": "posefleet.io/v1alpha1", "kind": "PoseTrainingJob", "metadata": {"name": name}}
    job = parse_job({**kinds, "spec": merged})
    stores = {
        field: open_store(uri, job.spec.storage, patience_seconds=1)
        for field, uri in (
            ("project", job.spec.dataset.uri),
            ("output", job.spec.output.uri),
            ("prepared", job.spec.output.cache_uri),
        )
    }
    rank = Rank(index=0, world=1, local_index=0, local_world=1)
    return Context(
        job=job,
        rank=rank,
        cache_directory=root / "node",
        cache_bytes=cache_bytes,
        progress=ProgressTracker(1),
        **stores,
    )


def refusal(root: Path, cache_bytes: int = 10**9, **spec: Any) -> str:
    """The message with which prepare refuses the project in ``root``, with s3://lab/ in place of ``root``."""
    context = a_context(root, cache_bytes=cache_bytes, **spec)
    with pytest.raises(InvalidInput) as refused:
        prepare(context)
    assert context.prepared.find("prepared.json") is None
    assert context.output.find("prepared.json") is None
    return str(refused.value).replace(f"file://{root}/", "s3://lab/")
