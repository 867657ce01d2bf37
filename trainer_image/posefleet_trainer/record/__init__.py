"""What is kept after the pod of a job is gone: the ranks' logs and the summary of the attempt."""
