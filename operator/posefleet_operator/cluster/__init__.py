"""The cluster as the operator sees it: the API client, watches, cache, leader election and progress polling."""
