"""``make demo``: trains a model from one manifest, on a cluster on this computer, and copies the report."""
