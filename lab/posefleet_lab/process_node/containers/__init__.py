"""Single containers: their processes, states, logs and probes."""
