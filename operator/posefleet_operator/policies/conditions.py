"""Conditions as Kubernetes has them: the time of the last transition moves only when the status does."""

from collections.abc import Sequence

from posefleet_api.status import Condition, ConditionType


def find_condition(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """The condition of a type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Sequence[Condition], kind: ConditionType) -> bool:
    """Whether the condition of a type holds."""
    condition = find_condition(conditions, kind)
    return condition is not None and condition.status == "True"


def with_condition(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """``conditions`` with one of them set; the others, and their order, stay."""
    old = find_condition(conditions, new.type)
    if old is None:
        return [*conditions, new]
    if old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    return [new if condition.type == new.type else condition for condition in conditions]
