"""The losses that a network is trained with, one file per loss."""
