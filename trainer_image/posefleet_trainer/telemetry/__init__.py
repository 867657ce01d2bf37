"""Metrics, progress and logs of a trainer process."""
