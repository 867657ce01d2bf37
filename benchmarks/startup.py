"""Measures the time from process start to the first training step: ``python benchmarks/startup.py [--repeats N]``.

The benchmark prints the CPU-seconds that each kind of process needs for its imports, measured in a new process (the
minimum of N runs). Then it trains a project of a few frames with one rank, and prints how long each part of the start
took. docs/performance.md has the results of one machine.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np

#: What each kind of process imports. The entries for torch each add a library to the entry before.
IMPORTS = {
    "Python": "pass",
    "launcher": "import posefleet_trainer.main, posefleet_trainer.gang.launcher",
    "prepare": (
        "import posefleet_trainer.context, posefleet_trainer.preparation.prepare, posefleet_trainer.preparation.build"
    ),
    "prepare, S3": (
        "import posefleet_trainer.context, posefleet_trainer.preparation.prepare, posefleet_trainer.preparation.build, "
        "posefleet_trainer.store.s3"
    ),
    "torch": "import torch.distributed",
    "torch, what its optimizers import": "import torch.distributed, torch._dynamo",
    "torch, Lightning": "import torch.distributed, pytorch_lightning",
    "torch, Lightning, timm": "import torch.distributed, pytorch_lightning, timm",
    "torch, Lightning, timm, DALI": "import torch.distributed, pytorch_lightning, timm, nvidia.dali",
    "a rank": (
        "from posefleet_trainer.gang.imports import import_torch, import_in_background\n"
        "import posefleet_trainer.context\n"
        "import_torch()\n"
        "with import_in_background('posefleet_trainer.training.train'): pass"
    ),
}
SIDE = 128


def cpu_seconds(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, str]:
    """Run a command, and return the user and system seconds of it and its children, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stdout + done.stderr


def a_project(folder: Path) -> Path:
    """Write a project of twelve labelled frames and a short video, and return the path of a job's manifest for it."""
    frames = folder / "project/labeled-data/vid"
    frames.mkdir(parents=True)
    rows = ["scorer,s,s", "bodyparts,spot,spot", "coords,x,y"]
    for number in range(12):
        picture = np.full((SIDE, SIDE, 3), 40, np.uint8)
        x, y = 20 + 7 * number, 100 - 6 * number
        cv2.circle(picture, (x, y), 6, (255, 255, 255), -1)
        cv2.imwrite(str(frames / f"img{number:03}.png"), picture)
        rows.append(f"labeled-data/vid/img{number:03}.png,{x},{y}")
    (folder / "project/CollectedData.csv").write_text("\n".join(rows) + "\n")
    (folder / "project/videos").mkdir()
    with av.open(str(folder / "project/videos/vid.mp4"), "w") as output:
        stream = output.add_stream("libx264" if "libx264" in av.codecs_available else "mpeg4", rate=30)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for shade in range(40):
            picture = np.full((SIDE, SIDE, 3), 3 * shade, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    manifest = {
        "apiVersion": "posefleet.io/v1alpha1",
        "kind": "PoseTrainingJob",
        "metadata": {"name": "startup"},
        "spec": {
            "dataset": {"uri": f"file://{folder}/project"},
            "output": {"uri": f"file://{folder}/out", "cacheUri": f"file://{folder}/prepared"},
            "model": {"backbone": "mobilenetv3_small", "weights": "none", "imageSize": {"height": SIDE, "width": SIDE}},
            "training": {"epochs": 1, "batchSize": 8},
            "resources": {"gpusPerNode": 0, "cpusPerNode": 1},
        },
    }
    (folder / "job.json").write_text(json.dumps(manifest))
    return folder / "job.json"


def the_stages(folder: Path) -> None:
    """Run the stage prepare, then the stage train with one rank for two steps, and print their CPU-seconds."""
    environment = {**os.environ, "POSEFLEET_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-m", "posefleet_trainer", str(a_project(folder))]
    seconds, _ = cpu_seconds([*command, "--stages", "prepare"], environment)
    print(f"{seconds:8.2f}  prepare, launcher and rank together")
    seconds, printed = cpu_seconds([*command, "--stages", "train"], environment)
    print(f"{seconds:8.2f}  train, launcher and rank together, one epoch of two steps")
    print(f"          {' '.join(re.findall('first step after.*', printed))} (wall clock)")


def main() -> None:
    """Run the benchmark and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("CPU-seconds")
    for name, statement in IMPORTS.items():
        least = min(cpu_seconds([sys.executable, "-c", statement])[0] for _ in range(options.repeats))
        print(f"{least:8.2f}  {name}")
    with tempfile.TemporaryDirectory() as folder:
        the_stages(Path(folder))


if __name__ == "__main__":
    main()
