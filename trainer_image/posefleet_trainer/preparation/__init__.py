"""The stage prepare: checking a project, storing prepared data for all jobs on it, and loading it again."""
