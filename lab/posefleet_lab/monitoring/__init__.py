"""Prometheus and Alertmanager of the Debian packages, beside a cluster."""

from .query import Sample
from .servers import Monitoring, MonitoringOptions

__all__ = ["Monitoring", "MonitoringOptions", "Sample"]
