"""The container node: a real node with containerd, runc, CNI, kubelet, kube-proxy and CoreDNS. Needs Linux and root."""

from .containerd import load_image
from .footprint import has_container_node, remove_footprint
from .network import free_network
from .node import ContainerNode

__all__ = ["ContainerNode", "free_network", "has_container_node", "load_image", "remove_footprint"]
