"""What makes a process one of the ranks that train together: launching, joining, agreeing and ending."""
