"""Judges a recorded history of a job: one gang at a time, an exact budget, the right end.

It only reads what the API server stored, and trusts neither the operator nor the trainer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from chaos.history import History, Manifest, runs

FINISHED = frozenset({"Succeeded", "Failed"})
COUNTED = frozenset({"Failed", "Stalled"})


@dataclass(frozen=True)
class Expected:
    """How a job must go."""

    phase: str = "Succeeded"
    #: Reason of the condition Failed, if the job is to fail.
    reason: str = ""
    #: How attempts end that nobody disturbs, by their number. None if every attempt may end as in ``disturbed``.
    script: Mapping[int, str] | None = None
    #: How a disturbed attempt may end.
    disturbed: frozenset[str] = frozenset()
    #: The least and the most attempts that may count against the budget; None if the script decides.
    failures: tuple[int, int] | None = None
    #: Hash of the weights of a job that was left in peace, of as many ranks. Empty if there are none to compare.
    weights: str = ""


@dataclass
class _Ledger:
    """What the statuses have said so far."""

    outcomes: dict[int, str] = field(default_factory=dict)
    end: tuple[str, str] | None = None


def problems(history: History, job: str, expected: Expected, weights: str = "") -> list[str]:
    """Return what is wrong with the life of a job; empty if nothing is.

    Args:
        history: everything that was recorded.
        job: the name of the PoseTrainingJob.
        expected: how it must go.
        weights: the hash of its weights.
    """
    mine = history.of_job(job)
    found = [*_gangs(mine), *_budget(mine), *_end(mine, expected), *_left_over(mine)]
    if expected.weights and weights != expected.weights:
        found.append(f"its weights are {weights[:12] or 'missing'}, and {expected.weights[:12]} without a disturbance")
    return [f"{job}: {problem}" for problem in dict.fromkeys(found)]


def _gangs(history: History) -> Iterator[str]:
    """Pods of two gangs must never run at the same time."""
    deaths = history.deaths()
    running: dict[str, tuple[int, str]] = {}
    for pod in history.pods():
        running = {uid: gang for uid, gang in running.items() if deaths.get(uid, inf) > pod.seconds}
        running.pop(pod.uid, None)
        if pod.gang is not None and runs(pod) and deaths.get(pod.uid, inf) > pod.seconds:
            running[pod.uid] = pod.gang
        if len(gangs := sorted(set(running.values()))) > 1:
            numbers = " and ".join(str(number) for number, _ in gangs)
            yield f"gangs of attempts {numbers} ran at the same time (resource version {pod.version})"


def _budget(history: History) -> Iterator[str]:
    """What counts is counted once, and what has been said of an attempt is not taken back."""
    ledger = _Ledger()
    for status in history.statuses():
        attempts = status.get("attempts") or []
        yield from _numbers(attempts, ledger)
        for attempt in attempts:
            number, outcome = attempt["number"], attempt.get("outcome")
            before = ledger.outcomes.get(number)
            if before is not None and before != outcome:
                yield f"attempt {number} was {before} and became {outcome}"
            if outcome is not None:
                ledger.outcomes[number] = outcome
        counted = sum(outcome in COUNTED for outcome in ledger.outcomes.values())
        if status.get("failedAttempts", 0) != counted:
            yield f"failedAttempts is {status.get('failedAttempts', 0)}, and {counted} attempts count"
        yield from _finality(status, ledger)


def _numbers(attempts: Sequence[Manifest], ledger: _Ledger) -> Iterator[str]:
    numbers = [attempt["number"] for attempt in attempts]
    if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        yield f"attempts have the numbers {numbers}"
    if numbers and numbers[0] != 1 and len(numbers) < 20:
        yield f"the first attempt has number {numbers[0]}"
    open_ones = [attempt["number"] for attempt in attempts if attempt.get("outcome") is None]
    if open_ones and open_ones != numbers[-1:]:
        yield f"attempts {open_ones} have no outcome although later ones began"
    if ledger.outcomes and (not numbers or numbers[-1] < max(ledger.outcomes)):
        yield f"attempt {max(ledger.outcomes)} was forgotten"


def _finality(status: Manifest, ledger: _Ledger) -> Iterator[str]:
    end = (status.get("phase", ""), status.get("completionTime", ""))
    if ledger.end is not None and end != ledger.end:
        yield f"it was {ledger.end[0]} and became {end[0]}"
    if end[0] in FINISHED:
        ledger.end = end


def _end(history: History, expected: Expected) -> Iterator[str]:
    """The job ends as it must, and each of its attempts as it did."""
    status: Manifest = {}
    for status in history.statuses():  # noqa: B007  the last one
        pass
    if status.get("phase") != expected.phase:
        yield f"it ends as {status.get('phase', 'nothing')} and not as {expected.phase} ({_reason(status)})"
        return
    if expected.reason and _reason(status) != expected.reason:
        yield f"it failed for {_reason(status)} and not for {expected.reason}"
    attempts = status.get("attempts") or []
    for attempt in attempts:
        yield from _outcome(attempt, expected)
    failures = status.get("failedAttempts", 0)
    if expected.failures is not None and not expected.failures[0] <= failures <= expected.failures[1]:
        least, most = expected.failures
        yield f"{failures} attempts count against the budget, and {least} to {most} failed"


def _outcome(attempt: Manifest, expected: Expected) -> Iterator[str]:
    number, outcome = attempt["number"], attempt.get("outcome")
    may = set(expected.disturbed)
    if expected.script is not None and number in expected.script:
        may.add(expected.script[number])
    if outcome not in may:
        allowed = " or ".join(sorted(may)) or "no attempt at all"
        yield f"attempt {number} is {outcome} ({attempt.get('reason')}), and may be {allowed}"


def _left_over(history: History) -> Iterator[str]:
    """A job that has ended holds no pods."""
    deaths = history.deaths()
    last = {pod.uid: pod for pod in history.pods()}
    for pod in last.values():
        if runs(pod) and pod.uid not in deaths:
            yield f"pod {pod.name} still runs"


def _reason(status: Manifest) -> str:
    failed = [c for c in status.get("conditions") or () if c["type"] == "Failed" and c["status"] == "True"]
    return str(failed[0]["reason"]) if failed else "no reason"
