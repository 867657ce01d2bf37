from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from posefleet_trainer.video.decode import ClipReader
from posefleet_trainer.video.index import build_index
from unit.trainer.video.recordings import Recording, decode_all


def test_many_threads_read_many_videos_exactly(tmp_path: Path):
    paths = [Recording(frames=20 + n, options={"g": "8"}).save(tmp_path / f"{n}.mp4") for n in range(6)]
    indexes = [build_index(path, path.name) for path in paths]
    truth = [decode_all(path) for path in paths]
    reader = ClipReader(open_per_thread=2)

    def matches(sample: int) -> bool:
        video, start = sample % 6, sample * 7 % 16
        return np.array_equal(reader.clip(paths[video], indexes[video], start, 4), truth[video][start : start + 4])

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(matches, range(60)))
