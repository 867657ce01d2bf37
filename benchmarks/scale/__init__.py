"""Measures how many jobs one operator carries, on a real control plane whose pods are played by kwok."""
