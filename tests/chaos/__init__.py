"""Faults of a shared cluster, injected at random moments, and a checker of what the API server recorded meanwhile."""
