"""The errors of the lab. Each message names the thing, what is wrong with it and what to do."""


class LabError(Exception):
    """Base class of the lab's errors. The command line prints the message without a traceback."""


class BuildError(LabError):
    """A tool could not be built or installed."""


class ComponentError(LabError):
    """A program did not start, or ended by itself. The message includes the last lines of its log."""


class StateError(LabError):
    """A cluster runs where none may, or does not run where one must."""
