"""Whole jobs: real operator, real trainer pods, real store."""

from support.job_fixtures import installed, job_namespace, jobs, operator, small_project, trial

__all__ = ["installed", "job_namespace", "jobs", "operator", "small_project", "trial"]
