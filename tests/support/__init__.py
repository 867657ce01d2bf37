"""What integration and chaos tests share: a running operator, jobs, waiting."""
