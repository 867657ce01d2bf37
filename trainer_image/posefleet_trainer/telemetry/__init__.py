"""What is reported while a job runs: metrics and progress, and the server that the operator and Prometheus ask."""
