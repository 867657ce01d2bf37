"""A Kubernetes cluster with an object store on one computer, for the demo and the tests."""
