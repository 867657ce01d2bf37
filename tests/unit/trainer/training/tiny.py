"""A project so small that training on it takes seconds: coloured discs that circle on a dark ground."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from posefleet_api.job import PoseTrainingJob, parse_job
from posefleet_trainer.context import Context, Rank
from posefleet_trainer.store.open import open_store
from posefleet_trainer.telemetry.progress import ProgressTracker

COLOURS = ((230, 60, 60), (60, 230, 60), (70, 90, 240))
NAMES = ("red", "green", "blue")


@dataclass(frozen=True)
class TinyProject:
    """What is written, and what trains on it."""

    side: int = 80
    labelled: int = 14
    video_frames: int = 40
    training: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, Any] = field(
        default_factory=lambda: {
            "temporal": {"epsilonPixels": 2},
            "pcaSingleView": {"weight": 0},
            "unimodal": {"weight": 1},
        }
    )
    checkpoint: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False

    def write(self, root: Path) -> Path:
        """The project folder under ``root``."""
        folder = root / "project"
        (folder / "labeled-data/vid").mkdir(parents=True)
        (folder / "videos").mkdir()
        rows = [
            ["scorer"] + ["tiny"] * 6,
            ["bodyparts"] + [n for n in NAMES for _ in "xy"],
            ["coords"] + ["x", "y"] * 3,
        ]
        for number in range(self.labelled):
            path = f"labeled-data/vid/img{number:03d}.png"
            cv2.imwrite(str(folder / path), picture(self.side, 7.3 * number)[..., ::-1])
            rows.append([path, *[f"{value:.3f}" for value in points(self.side, 7.3 * number).ravel()]])
        (folder / "CollectedData.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
        self._write_video(folder / "videos/vid.mp4")
        return folder

    def _write_video(self, path: Path) -> None:
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = self.side, self.side, "yuv420p"
            for number in range(self.video_frames):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(picture(self.side, 1.0 * number), format="rgb24")))
            output.mux(stream.encode(None))

    def job(self, root: Path, output: str = "output", weights: str = "none") -> PoseTrainingJob:
        """A job on the project that ``write`` wrote under ``root``."""
        training = {"epochs": 3, "batchSize": 4, "clipLength": 4, "validateEveryEpochs": 1, **self.training}
        return parse_job(
            {
                "apiVersion": "posefleet.io/v1alpha1",
                "kind": "PoseTrainingJob",
                "metadata": {"name": "tiny"},
                "spec": {
                    "dataset": {"uri": f"file://{root}/project"},
                    "output": {
                        "uri": f"file://{root}/{output}",
                        "cacheUri": f"file://{root}/prepared",
                        "overwrite": self.overwrite,
                    },
                    "model": {
                        "backbone": "mobilenetv3_small",
                        "weights": weights,
                        "imageSize": {"height": 64, "width": 64},
                    },
                    "losses": self.losses,
                    "training": training,
                    "checkpoint": self.checkpoint,
                    "resources": {"gpusPerNode": 0, "cpusPerNode": 1},
                },
            }
        )


def points(side: int, time: float) -> np.ndarray:
    """The discs' centres (keypoint, xy)."""
    angles = [0.2 * time * speed + shift for speed, shift in ((1.0, 0.0), (-0.7, 2.0), (0.4, 4.0))]
    radii = (0.33, 0.22, 0.3)
    centre = (side - 1) / 2
    return np.array(
        [(centre + r * side * math.cos(a), centre + r * side * math.sin(a)) for a, r in zip(angles, radii, strict=True)]
    )


def picture(side: int, time: float) -> np.ndarray:
    """The discs (side, side, 3), RGB."""
    image = np.full((side, side, 3), 30, dtype=np.uint8)
    for (x, y), colour in zip(points(side, time), COLOURS, strict=True):
        cv2.circle(image, (round(x * 16), round(y * 16)), 16 * side // 14, colour, -1, cv2.LINE_AA, shift=4)
    return image


def context_of(job: PoseTrainingJob, root: Path, rank: Rank | None = None, attempt: int = 1) -> Context:
    """What a stage gets, for a job of ``TinyProject.job``."""
    spec = job.spec

    def store(uri: str) -> Any:
        return open_store(uri, None, patience_seconds=5.0)

    return Context(
        job=job,
        rank=rank or Rank(0, 1, 0, 1),
        project=store(spec.dataset.uri),
        output=store(spec.output.uri),
        prepared=store(spec.output.cache_uri),
        cache_directory=root / "cache",
        cache_bytes=10**9,
        progress=ProgressTracker(attempt=attempt),
    )
