"""Prometheus and Alertmanager, from their Debian packages, for one cluster."""

from .servers import Monitoring, MonitoringOptions, Sample

__all__ = ["Monitoring", "MonitoringOptions", "Sample"]
