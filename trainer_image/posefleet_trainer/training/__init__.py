"""Training: data, plan, steps, checkpoints, and the model that results."""
