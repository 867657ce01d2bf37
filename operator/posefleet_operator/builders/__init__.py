"""The objects that the operator creates: functions from a job to a complete manifest."""
