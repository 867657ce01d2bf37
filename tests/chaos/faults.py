"""What a fault is, how often each is tried, and how one run of it went."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


class NotPossible(Exception):
    """A fault cannot be made to happen here. The message says why."""


World = Literal["operator", "training"]


def nothing(_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Fault:
    """Something that happens on a shared cluster.

    ``strike`` does it at a random moment, and ``heal`` ends it after a random time between the two ``seconds``. Both
    get the scene of the fault's world. Without ``seconds`` it lasts until training goes on or, in the operator's world,
    from before the jobs begin until they have ended.
    """

    name: str
    #: What happens, for the table.
    what: str
    #: What it means for the author of a job.
    meaning: str
    world: World
    strike: Callable[[Any], None]
    heal: Callable[[Any], None] = nothing
    seconds: tuple[float, float] | None = (0.0, 0.0)
    #: How the attempt may end that it strikes. Empty if it must not end any.
    ends: frozenset[str] = frozenset()
    #: Whether it always ends one.
    always_ends: bool = True
    #: How many attempts it makes count against the budget: the least and the most.
    failures: tuple[int, int] = (0, 0)
    #: Seconds after which another operator takes over, as the operators of its runs are told.
    lease_seconds: float = 3.0
    #: Scripts of the jobs of a run in the operator's world; empty for the usual ones.
    scripts: tuple[str, ...] = ()


@dataclass
class Run:
    """One run of one fault."""

    fault: str
    #: Number of the run among those of the fault, from 0.
    number: int = 0
    #: Optimizer steps that had to be repeated; None where no training was disturbed.
    steps_lost: int | None = None
    #: The longest time in which training got no further, or the time until a job ran that was submitted when the fault
    #: struck, in seconds.
    seconds: float | None = None
    #: Seconds that the run took.
    took: float = 0.0
    #: Why the fault could not be made to happen; empty if it happened.
    left_out: str = ""
    problems: list[str] = field(default_factory=list)
