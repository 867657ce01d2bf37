"""The reconcile of one job: an ordered list of steps that turns an observation into a plan."""

from collections.abc import Callable

from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan
from posefleet_operator.policies.events import events_between
from posefleet_operator.steps.adoption import adopt, delete_superseded
from posefleet_operator.steps.attempt import record_progress, run_attempts
from posefleet_operator.steps.attempt_end import detect_stall, end_lost_gang, record_outcome, replace_changed
from posefleet_operator.steps.lifecycle import (
    clean_up_finished,
    enforce_deadline,
    record_generation,
    refuse_invalid,
    reopen_corrected,
    summarize,
)
from posefleet_operator.steps.not_understood import stop_only
from posefleet_operator.steps.preparation import prepare, record_try
from posefleet_operator.steps.queue import boost_priority, go_back_in_line, show_position
from posefleet_operator.steps.requests import answer_checkpoint_request, reopen_on_request
from posefleet_operator.steps.suspension import suspend
from posefleet_operator.steps.up_to_date import report_up_to_date

#: The steps in the order of a job's life. A step may skip the remaining ones.
STEPS: tuple[Callable[[Observation, Plan], None], ...] = (
    record_generation,
    reopen_on_request,
    answer_checkpoint_request,
    reopen_corrected,
    clean_up_finished,
    refuse_invalid,
    adopt,
    record_progress,
    go_back_in_line,
    record_outcome,
    record_try,
    enforce_deadline,
    suspend,
    replace_changed,
    delete_superseded,
    prepare,
    run_attempts,
    end_lost_gang,
    detect_stall,
    boost_priority,
)


def reconcile(seen: Observation) -> Plan:
    """Compute the plan for one job.

    This is a pure function of the observation, so a reconcile that is repeated, delayed or interrupted does no harm.
    """
    plan = Plan(seen.status, seen.now, seen.generation)
    if seen.deleting:
        return plan
    for step in (stop_only,) if seen.not_understood else STEPS:
        step(seen, plan)
        if plan.remaining_steps_skipped:
            break
    if not seen.not_understood:
        summarize(seen, plan)
        show_position(seen, plan)
        report_up_to_date(seen, plan)
    plan.events += events_between(seen.status, plan.status)
    return plan
