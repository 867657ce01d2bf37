"""Synthetic Lightning Pose projects: films of a running animal whose keypoints are known exactly."""
