"""Disturbed jobs: real operator, real trainer pods, real store."""

from integration.conftest import cluster, kube, namespace, store
from support.job_fixtures import installed, job_namespace, jobs, operator, small_project, trial

__all__ = [
    "cluster",
    "installed",
    "job_namespace",
    "jobs",
    "kube",
    "namespace",
    "operator",
    "small_project",
    "store",
    "trial",
]
