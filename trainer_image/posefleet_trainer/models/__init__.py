"""The pose network: backbones, heatmaps, coordinates, and the file of a trained model."""
