"""Reading and writing S3-compatible stores and folders, and the cache of a node."""
