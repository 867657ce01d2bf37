"""Prometheus and Alertmanager of the Debian packages, beside a cluster."""

from .servers import Monitoring, MonitoringOptions, Sample

__all__ = ["Monitoring", "MonitoringOptions", "Sample"]
