"""The launcher: a small process of its own around each container.

It is to the process node what runc and its shim are to a kubelet: it makes the namespaces and
mounts, starts the container's main process, forwards signals, and ends with its exit code. It
imports the standard library alone, so that it starts in a few hundredths of a second.
"""
