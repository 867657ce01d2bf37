"""A trained model: its predictions, its file, and the checksum of its weights."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.heatmaps import decode, heatmaps_of
from posefleet_trainer.models.manifest import NETWORK_VERSION, other_version
from posefleet_trainer.models.network import PoseNetwork, normalised

FORMAT = "posefleet-model-1"
#: Frames that pass through the network at once: larger batches are no faster and need more memory.
_FRAMES_AT_ONCE = 32


@dataclass
class TrainedModel:
    """A network, the names of its keypoints, and the history of its training.

    ``history`` has one entry per epoch with ``step``, ``epoch``, ``losses`` (weighted, by term), ``learning_rate`` and,
    where it was measured, ``validation_pixel_error`` (mean distance in source pixels).
    """

    network: PoseNetwork
    backbone: str
    keypoints: list[str]
    image_size: Grid
    history: list[dict[str, Any]] = field(default_factory=list)
    sha256: str = ""
    """Checksum of the weights (``weights_sha256``)."""

    def __post_init__(self) -> None:
        self.network.eval()
        self.sha256 = self.sha256 or weights_sha256(self.network.state_dict())
        self.device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else "cpu"
        self.network.to(self.device)

    @torch.inference_mode()
    def predict(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the keypoints in ``frames`` (frame, height, width, 3), RGB bytes of the size ``image_size``.

        Returns:
            Points (frame, keypoint, xy) in image pixels and confidence (frame, keypoint), float32.
        """
        parts = [self._predict(part) for part in torch.from_numpy(frames).split(_FRAMES_AT_ONCE)]
        points, confidence = (torch.cat(which).cpu().numpy() for which in zip(*parts, strict=True))
        return points, confidence

    def _predict(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = normalised(frames.to(self.device, non_blocking=True))
        points, confidence = decode(heatmaps_of(self.network(images)))
        return between(points, self.image_size.heatmap, self.image_size), confidence

    def save(self, path: Path) -> None:
        """Write the network and everything that describes it to ``path``."""
        content = {
            "format": FORMAT,
            "network_version": NETWORK_VERSION,
            "backbone": self.backbone,
            "keypoints": list(self.keypoints),
            "image_size": (self.image_size.height, self.image_size.width),
            "history": self.history,
            "sha256": self.sha256,
            "weights": {name: value.cpu() for name, value in self.network.state_dict().items()},
        }
        torch.save(content, path)

    @classmethod
    def load(cls, path: Path) -> "TrainedModel":
        """Read a file that ``save`` wrote, without executing anything in it.

        Raises:
            ValueError: the file is not a model of this version, or its weights are damaged.
        """
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"{path} is not a model of this version of posefleet")
        if content["network_version"] != NETWORK_VERSION:
            raise ValueError(other_version(str(path), content["network_version"]))
        size = Grid(*content["image_size"])
        network = PoseNetwork(content["backbone"], size, len(content["keypoints"]))
        network.load_state_dict(content["weights"])
        model = cls(network, content["backbone"], content["keypoints"], size, content["history"])
        if model.sha256 != content["sha256"]:
            raise ValueError(f"{path} is damaged: its weights are not those that were saved")
        return model


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of the names, types, shapes and bytes of the tensors in ``state``.

    It is equal for two models whose weights are equal bit for bit, in whatever order and file they are kept.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
