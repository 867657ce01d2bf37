"""The command ``posefleet``, which writes the manifest of a project."""
