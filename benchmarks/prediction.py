"""Measures the cost of prediction without the network: ``python benchmarks/prediction.py [--frames N] [--side N]``.

The benchmark decodes a synthetic video into a network that computes nothing, first with one decoder and then with
several, and prints the frames per second. Then it writes and reads the poses of an hour of video. docs/performance.md
has the results of one machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.prediction.csv_files import read_poses, write_poses
from posefleet_trainer.prediction.inference import predict_frames
from posefleet_trainer.prediction.results import Poses
from posefleet_trainer.prediction.videos import split_for_decoders
from posefleet_trainer.video.decode import read_frames
from posefleet_trainer.video.index import VideoIndex, build_index

IMAGE = Grid(256, 256)
KEYPOINTS = [f"keypoint {number}" for number in range(17)]
ROUNDS = 3


class NoNetwork:
    """A network without computation, which predicts every keypoint at the origin."""

    keypoints = KEYPOINTS
    image_size = IMAGE

    def predict(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(frames)
        return np.zeros((count, len(KEYPOINTS), 2), np.float32), np.ones((count, len(KEYPOINTS)), np.float32)


def make_video(path: Path, frames: int, side: int) -> None:
    """Write a drifting texture with noise as H.264 with a key frame every 250 frames."""
    random = np.random.default_rng(0)
    texture = np.kron(random.integers(40, 216, (side // 8, side // 8)), np.ones((8, 8), np.int64)).astype(np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=60, options={"preset": "ultrafast", "g": "250"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            grey = np.roll(texture, number % side, axis=1)
            grey = grey + random.integers(0, 16, (side, 1), dtype=np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray")))
        output.mux(stream.encode(None))


def rate(work: Callable[[], object], frames: int) -> float:
    """Run ``work``, which processes ``frames`` frames, and return the frames per second."""
    began = time.perf_counter()
    work()
    return frames / (time.perf_counter() - began)


def decode(path: Path, index: VideoIndex, decoders: int) -> None:
    """Decode all frames with ``decoders`` decoders, and pass them through ``NoNetwork``."""
    parts = split_for_decoders(range(index.frames), index, decoders)
    frames = [read_frames(path, index, part.start, part.stop, (IMAGE.height, IMAGE.width)) for part in parts]
    predict_frames(NoNetwork(), frames, Grid(index.height, index.width), lambda _: None)


def main() -> None:
    """Run the benchmark and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--side", type=int, default=1024, help="side of the square video")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        make_video(path, options.frames, options.side)
        index = build_index(path, "video.mp4")
        measured = [
            [rate(lambda count=count: decode(path, index, count), options.frames) for count in (1, 2, 4)]
            for _ in range(ROUNDS)
        ]
        one, two, four = np.median(measured, axis=0)
        print(f"decoded from {options.side}x{options.side} and resized, frames per second:")
        print(f"one decoder {one:.0f}, two {two:.0f} ({two / one:.2f} times), four {four:.0f} ({four / one:.2f} times)")
        hour = 60 * 60 * 60
        poses = Poses(
            np.random.default_rng(0).uniform(0, 1024, (hour, len(KEYPOINTS), 2)).astype(np.float32),
            np.full((hour, len(KEYPOINTS)), 0.5, np.float32),
        )
        file = Path(folder) / "poses.csv"
        written = rate(lambda: write_poses(file, KEYPOINTS, range(hour), poses), hour)
        read = rate(lambda: read_poses(file, len(KEYPOINTS)), hour)
        size = f"{file.stat().st_size / 1e6:.0f} MB of CSV"
        print(f"an hour at 60 frames per second, {len(KEYPOINTS)} keypoints: {size}, "
              f"written in {hour / written:.1f} s, read in {hour / read:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
