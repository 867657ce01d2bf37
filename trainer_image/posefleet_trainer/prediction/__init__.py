"""The stage predict: keypoints of labelled frames and videos, their errors, and their files."""
