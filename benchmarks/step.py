"""Measures the parts of a training step and a prediction: ``python benchmarks/step.py [--backbone NAME] [--side N]``.

The benchmark runs in one process, on a GPU if there is one and otherwise with one thread on the CPU, and prints a
table. docs/design/training.md has the results of one machine.
"""

import argparse
import time
from collections.abc import Callable

import torch

from posefleet_api.model import BACKBONES
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.heatmaps import decode, heatmaps_of
from posefleet_trainer.models.network import PoseNetwork

FRAMES = 16
KEYPOINTS = 14


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of ``work`` in milliseconds per frame, after one warm-up run."""
    on_gpu = torch.cuda.is_available()
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 1000 * sorted(times[1:])[repeats // 2] / FRAMES


def inference(network: PoseNetwork, images: torch.Tensor, repeats: int) -> dict[str, float]:
    """Return the milliseconds per frame of each part of a prediction."""
    network.eval()
    with torch.inference_mode():
        features = network.backbone(images)
        logits = network.head(features)
        return {
            "backbone": milliseconds(lambda: network.backbone(images), repeats),
            "head": milliseconds(lambda: network.head(features), repeats),
            "decoding": milliseconds(lambda: decode(heatmaps_of(logits)), repeats),
        }


def training(network: PoseNetwork, images: torch.Tensor, repeats: int) -> dict[str, float]:
    """Return the milliseconds per frame of each part of a training step."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def forward() -> torch.Tensor:
        points, confidence = decode(heatmaps_of(network(images)))
        return points.sum() + confidence.sum()

    def both() -> None:
        optimizer.zero_grad()
        forward().backward()

    both()
    forward_ms = milliseconds(forward, repeats)
    return {
        "forward": forward_ms,
        "backward": milliseconds(both, repeats) - forward_ms,
        "optimizer": milliseconds(optimizer.step, repeats),
    }


def main() -> None:
    """Run the benchmark and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=BACKBONES, action="append", help="may be given several times")
    parser.add_argument("--side", type=int, default=256, help="side of the square images")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    frames = f"{FRAMES} frames of {options.side}x{options.side}"
    print(f"milliseconds per frame: {frames}, {KEYPOINTS} keypoints, {device}, one thread")
    for name in options.backbone or ["mobilenetv3_small", "resnet10t", "resnet18", "resnet50"]:
        grid = Grid(options.side, options.side)
        network = PoseNetwork(name, grid, KEYPOINTS).to(device)
        images = torch.randn(FRAMES, 3, options.side, options.side, device=device)
        images = images.to(memory_format=torch.channels_last)
        parts = inference(network, images, options.repeats) | training(network, images, options.repeats)
        share = 100 * parts["decoding"] / parts["backbone"]
        figures = "  ".join(f"{part} {value:.2f}" for part, value in parts.items())
        print(f"{name:20} {figures}  decoding is {share:.1f} % of the backbone's forward pass")


if __name__ == "__main__":
    main()
