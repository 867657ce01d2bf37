"""The containers of a process node: their processes, states, logs and probes."""
