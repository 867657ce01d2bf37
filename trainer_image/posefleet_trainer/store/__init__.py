"""S3-compatible stores and folders, ranged verified downloads, the node cache."""
