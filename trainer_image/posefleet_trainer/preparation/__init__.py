"""The stage prepare: what it makes of a project, leaves in the store for all jobs, and how a job finds it."""
