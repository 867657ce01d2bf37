"""The condition UpToDate: whether what runs of a job follows the manifest as it is now."""

from collections.abc import Sequence

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_api.job import InvalidManifest
from posefleet_operator import reasons
from posefleet_operator.fingerprints import PREPARATION_PARTS
from posefleet_operator.observation import Observation, running_attempt
from posefleet_operator.plan import Plan


def report_up_to_date(seen: Observation, plan: Plan) -> None:
    """Set the condition UpToDate, which is False while a gang runs that was created before the latest edit."""
    if isinstance(seen.job, InvalidManifest):
        return
    if message := _former_parts(seen, plan):
        plan.condition("UpToDate", False, reasons.APPLIES_TO_NEXT_ATTEMPT, message)
    else:
        plan.condition("UpToDate", True, reasons.UP_TO_DATE, reasons.UP_TO_DATE.meaning)


def _former_parts(seen: Observation, plan: Plan) -> str:
    attempt = running_attempt(plan.status)
    if attempt is not None:
        parts = seen.changed_parts(seen.attempt_job(attempt.number))
        verb = "runs" if attempt.running_time is not None else "starts"
        return _message(parts, "next", f"attempt {attempt.number} {verb}")
    job = seen.prepare_job(plan.status.preparation.tries)
    live = any(pod.running for pod in seen.own_pods(COMPONENT_PREPARE, plan.status.preparation.tries))
    parts = tuple(part for part in seen.changed_parts(job) if live and part in PREPARATION_PARTS)
    return _message(parts, "first", "the preparation runs")


def _message(parts: Sequence[str], which: str, who: str) -> str:
    """Return a sentence about parts of the spec, or an empty text if there are none."""
    if not parts:
        return ""
    *others, last = (f"spec.{part}" for part in parts)
    names = f"{', '.join(others)} and {last}" if others else last
    verb, former = ("apply", "ones") if others else ("applies", "one")
    return f"{names} {verb} to the {which} attempt; {who} with the former {former}"
