"""What follows an attempt, or a try of the preparation, that did not succeed.

docs/design/failures.md has the order in which these rules apply, and the reasons for it.
"""

import re
from collections.abc import Sequence
from typing import Literal

from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Attempt
from posefleet_operator import reasons
from posefleet_operator.policies.attempts import counts_against_budget
from posefleet_operator.policies.exit_outcomes import Ending
from posefleet_operator.reasons import Reason

Action = Literal["Retry", "Ignore", "Fail"]
#: What posefleet itself ended, for its author or for the deadline. No rule of a manifest applies to these.
_ENDED_BY_POSEFLEET = frozenset({reasons.SUSPENDED.name, reasons.REPLACED.name, reasons.DEADLINE_EXCEEDED.name})
#: Reasons that a faulty node gives as well.
_MAY_BE_THE_NODE = frozenset({reasons.NON_FINITE_LOSS.name, reasons.PREFLIGHT_FAILED.name})
#: What differs between two messages about the same failure: names of pods and nodes, and numbers.
_VARIABLE = re.compile(r"\b(pod|node) \S+|\d+")
#: Two messages of this length fit into the message of a condition.
_MAX_LINE = 400


def action_of_rule(ending: Ending, policy: FailurePolicy) -> Action | None:
    """Return the action of the first rule of ``failurePolicy.rules`` that applies to an ending, or None."""
    number = _number_of_rule(ending, policy)
    return None if number is None else policy.rules[number].action


def why_rule_fails(ending: Ending, policy: FailurePolicy) -> str:
    """Return the message of a job that a rule with the action Fail ends."""
    number = _number_of_rule(ending, policy)
    return f"failurePolicy.rules[{number}] ends the job after {ending.reason}: {ending.message}"


def why_job_fails(attempts: Sequence[Attempt], ending: Ending, policy: FailurePolicy) -> tuple[Reason, str] | None:
    """Return the reason and the message with which the job fails before its budget is used up, or None.

    Args:
        attempts: the attempts, of which the newest has just ended and holds the action of the rule that applied to it.
        ending: how the newest one ended.
        policy: ``failurePolicy`` of the job.
    """
    last, earlier = attempts[-1], attempts[:-1]
    if last.action == "Fail":
        return ending.reason, why_rule_fails(ending, policy)
    if last.action is not None:
        return None
    if ending.reason.final and not _has_second_chance(ending.reason, earlier):
        return ending.reason, ending.message
    same = _same_failure(last, earlier)
    return None if same is None else (reasons.SAME_FAILURE_TWICE, _both_lines(same, last))


def nodes_to_avoid(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Return the nodes on which an attempt ended for a reason that a faulty node gives as well."""
    suspects = (attempt.nodes for attempt in attempts if attempt.reason in _MAY_BE_THE_NODE)
    return tuple(dict.fromkeys(node for nodes in suspects for node in nodes))


def _number_of_rule(ending: Ending, policy: FailurePolicy) -> int | None:
    if ending.outcome == "Succeeded" or ending.reason.name in _ENDED_BY_POSEFLEET:
        return None
    applies = (
        number
        for number, rule in enumerate(policy.rules)
        if ending.exit_code in rule.exit_codes or ending.reason.name in rule.reasons
    )
    return next(applies, None)


def _has_second_chance(reason: Reason, earlier: Sequence[Attempt]) -> bool:
    return reason.has_second_chance and all(attempt.reason != reason.name for attempt in earlier)


def _same_failure(last: Attempt, earlier: Sequence[Attempt]) -> Attempt | None:
    """Return the failure before ``last`` if it is the same at the same step.

    Failures before the first step are left to the budget: they cost little, and a node or a hub that is down for a
    moment gives the same message twice. So does a node that fails its preflight, for example because its disk is full.
    """
    if not counts_against_budget(last) or last.end_step is None or last.reason == reasons.PREFLIGHT_FAILED.name:
        return None
    before = next((attempt for attempt in reversed(earlier) if counts_against_budget(attempt)), None)
    if before is None or (before.reason, before.end_step) != (last.reason, last.end_step):
        return None
    return before if _VARIABLE.sub("", before.message) == _VARIABLE.sub("", last.message) else None


def _both_lines(first: Attempt, second: Attempt) -> str:
    lines = "; ".join(f"attempt {one.number}: {one.message[:_MAX_LINE]}" for one in (first, second))
    text = f"attempts {first.number} and {second.number} failed at step {second.end_step} with {second.reason}"
    return f"{text}; {lines}"
