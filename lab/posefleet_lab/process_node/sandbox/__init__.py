"""The sandbox of a pod: its directory, volumes, names and environment, as its containers see them."""
