"""From heatmaps to keypoints, at the cost of two small matrix products a map.

An expectation over an upsampled map (the usual soft-argmax) costs more than a small backbone. Here the expectation
is taken on the heatmap's own grid in a window around the highest pixel: as exact below the pixel, blind to far-away
mass, and differentiable within the window. Everything is a product of masks, so gradients are deterministic on GPUs,
which those of gathered windows are not.
"""

import torch

#: Half the side of the window: with the targets' sigma of 1.25 it holds 99 % of a peak.
WINDOW_RADIUS = 3


def heatmaps_of(logits: torch.Tensor) -> torch.Tensor:
    """The softmax over each map of ``logits`` (frame, keypoint, height, width), in float32: maps that sum to one."""
    flat = logits.float().flatten(2).softmax(dim=-1)
    return flat.view(logits.shape)


def decode(heatmaps: torch.Tensor, radius: int = WINDOW_RADIUS) -> tuple[torch.Tensor, torch.Tensor]:
    """The keypoints of heatmaps that sum to one.

    Args:
        heatmaps: (frame, keypoint, height, width).
        radius: half the side of the window around the peak, in heatmap pixels.

    Returns:
        Points (frame, keypoint, xy) in heatmap pixels: the expectation within the window. And confidence
        (frame, keypoint) from 0 to 1: the heatmap's mass within the window.
    """
    frames, keypoints, height, width = heatmaps.shape
    maps = heatmaps.reshape(frames * keypoints, height, width)
    peak = maps.detach().flatten(1).argmax(dim=1)
    columns = _window(peak % width, width, radius).to(maps)
    rows = _window(peak // width, height, radius).to(maps)
    x_mass = torch.bmm(rows.unsqueeze(1), maps).squeeze(1) * columns
    y_mass = torch.bmm(maps, columns.unsqueeze(2)).squeeze(2) * rows
    mass = x_mass.sum(dim=1)
    points = torch.stack((_mean(x_mass, mass), _mean(y_mass, mass)), dim=-1)
    return points.view(frames, keypoints, 2), mass.view(frames, keypoints)


def _window(centre: torch.Tensor, length: int, radius: int) -> torch.Tensor:
    position = torch.arange(length, device=centre.device)
    return (position - centre.unsqueeze(1)).abs() <= radius


def _mean(mass_at: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    position = torch.arange(mass_at.shape[1], device=mass_at.device, dtype=mass_at.dtype)
    return (mass_at * position).sum(dim=1) / mass.clamp_min(torch.finfo(mass.dtype).tiny)


def gaussian_targets(points: torch.Tensor, height: int, width: int, sigma: float) -> torch.Tensor:
    """Heatmaps (frame, keypoint, height, width) of Gaussians at ``points`` (frame, keypoint, xy), each summing to one.

    Points are in heatmap pixels, ``sigma`` too. A NaN point gives an empty (zero) map.
    """
    x = _profile(points[..., 0], width, sigma)
    y = _profile(points[..., 1], height, sigma)
    return y.unsqueeze(-1) * x.unsqueeze(-2)


def _profile(centre: torch.Tensor, length: int, sigma: float) -> torch.Tensor:
    position = torch.arange(length, device=centre.device, dtype=centre.dtype)
    profile = torch.exp(-((position - centre.unsqueeze(-1)) ** 2) / (2.0 * sigma**2)).nan_to_num(0.0)
    return profile / profile.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(profile.dtype).tiny)
