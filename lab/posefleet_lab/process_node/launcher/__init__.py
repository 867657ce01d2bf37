"""The launcher: a small process that starts and supervises one container.

It does for the process node what runc and its shim do for a kubelet: it creates the namespaces and mounts, starts the
container's main process, forwards signals, and exits with its exit code. It imports only the standard library and
``posefleet_lab.processes``, so that it starts within a few hundredths of a second.
"""
