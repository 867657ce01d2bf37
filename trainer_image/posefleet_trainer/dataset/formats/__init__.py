"""Readers of label formats, one module each."""
