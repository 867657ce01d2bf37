"""A project folder and its data set: label formats, the project's files, prepared data, splits and pose subspaces."""
