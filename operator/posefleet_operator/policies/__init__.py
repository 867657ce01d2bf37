"""What the operator decides, one decision a file: functions of values, without clock, cluster or state."""
