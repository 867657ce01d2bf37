"""The decisions of the operator: pure functions of values, without clock, requests or state."""
