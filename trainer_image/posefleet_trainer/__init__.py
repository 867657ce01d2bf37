"""What runs in the pods: prepare, train, predict, report."""
