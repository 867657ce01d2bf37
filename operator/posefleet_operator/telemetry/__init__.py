"""What the operator reports about itself and its jobs: metrics, logs and probes."""
