"""The stage predict: poses in labelled frames and videos, their errors, and the files that hold them."""
