"""Backbones, heads, keypoint decoding, coordinates."""
