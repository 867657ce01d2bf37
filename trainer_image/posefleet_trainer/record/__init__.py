"""What is left of an attempt when its pods are gone."""
