"""Whether an attempt has stopped getting anywhere."""

from datetime import datetime, timedelta

from posefleet_api.outcomes import ProgressReport
from posefleet_operator.timestamps import from_timestamp


def stalls_at(
    running_since: datetime, asking_since: datetime | None, report: ProgressReport | None, stall_seconds: int
) -> datetime:
    """When the attempt counts as stalled, unless it makes a step before.

    An operator that has just started has heard of no step, so it gives the attempt the whole time once more.
    """
    last_step = from_timestamp(report.last_step_time) if report is not None else None
    begin = running_since if last_step is not None else max(running_since, asking_since or running_since)
    return max(begin, last_step or begin) + timedelta(seconds=stall_seconds)
