"""The control plane of a cluster: etcd, API server, controller manager and scheduler, with their credentials."""

from .control_plane import SERVICE_NETWORK, ControlPlane

__all__ = ["SERVICE_NETWORK", "ControlPlane"]
