"""Checks of a Helm chart: lint, rendering with every set of values, and the schema of each rendered object."""
