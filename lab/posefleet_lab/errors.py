"""What can go wrong in the lab. Each message names the thing, what is wrong with it and what to do."""


class LabError(Exception):
    """Base of the lab's errors; the command line prints the message and no traceback."""


class BuildError(LabError):
    """A tool could not be built or installed."""


class ComponentError(LabError):
    """A component did not start, or ended by itself; the message shows the end of its log."""


class StateError(LabError):
    """The cluster is up where it should be down, or the other way round."""
