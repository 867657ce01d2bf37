"""The process node: a Kubernetes node whose containers are processes of this machine."""
