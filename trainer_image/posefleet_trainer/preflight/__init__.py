"""What a pod finds out about its machine before it trains, one file a probe."""
