"""A synthetic Lightning Pose project with known truth."""
