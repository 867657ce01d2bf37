"""RFC 3339 timestamps as Kubernetes has them, to the second and in UTC."""

from datetime import UTC, datetime

#: Others have no place in a cluster's life, and cannot all be reckoned with.
_YEARS = range(1970, 9000)


def to_timestamp(moment: datetime) -> str:
    """``moment`` as ``2026-01-31T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_timestamp(text: str | None) -> datetime | None:
    """The moment of a timestamp; None for an absent or unreadable one."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seconds_between(start: str | None, end: datetime) -> float:
    """Seconds from a timestamp to ``end``, never negative; 0 for an absent timestamp."""
    begun = from_timestamp(start)
    return max(0.0, (end - begun).total_seconds()) if begun else 0.0
