"""What the operator creates, one kind a file: functions from a job to a complete manifest."""
