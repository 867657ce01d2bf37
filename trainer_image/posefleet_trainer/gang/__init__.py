"""What makes processes the ranks of one job: launching, joining, agreeing, being preempted and ending."""
