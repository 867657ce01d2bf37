"""Predictions, pixel errors, and their files."""
