"""Write ``docs/troubleshooting.md`` from the registry of reasons, or check with --check that it is up to date."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from posefleet_api.constants import SHORT_NAME
from posefleet_api.generate import write_or_check
from posefleet_operator.reasons import REGISTRY, Reason, reasons_by_outcome

_HEAD = f"""# Troubleshooting: what a reason means and what to do

Written by `make generate` from `operator/posefleet_operator/reasons.py`.

Every outcome, condition and event of a job has a reason in one word, and beside it a message with names and numbers:

```
kubectl describe {SHORT_NAME} NAME                                          # conditions, attempts and events
kubectl get {SHORT_NAME} NAME -o jsonpath='{{.status.attempts}}' | python3 -m json.tool
```

Logs of an attempt stay in the output folder, `attempts/<n>/node-<i>.log`, when its pods are gone.

## Why an attempt ended

`status.attempts[].reason`, and the condition Running. An attempt that counts uses up one of
`failurePolicy.maxFailures`; a final reason ends the job at once, because another attempt would end in the same way.
A rule of `failurePolicy.rules` that applies to the attempt decides instead.
A pod may also end for a reason that the cluster has made up, such as the kubelet's `NodeLost`. Such attempts are
Preempted and do not count; the message says what the cluster reported.
"""
_CONDITIONS = """## What a condition says

The conditions Prepared, Running, Suspended, Succeeded and Failed have these reasons, or the reason for which the last
attempt ended. Those in bold keep a job waiting until somebody acts, and are reported as a warning event.
"""
_EVENTS = """## Events

Events have the reasons above, and these.
"""


def troubleshooting_page() -> str:
    """Return the page as Markdown."""
    outcomes = [REGISTRY[name] for names in reasons_by_outcome().values() for name in names]
    conditions = [reason for reason in REGISTRY.values() if reason.in_status and not reason.outcome]
    events = [reason for reason in REGISTRY.values() if not reason.in_status]
    return (
        "\n".join(
            [
                _HEAD,
                *_table("reason | outcome | counts | meaning | what to do", map(_outcome_row, outcomes)),
                _CONDITIONS,
                *_table("reason | meaning | what to do", map(_condition_row, conditions)),
                _EVENTS,
                *_table("reason | type | meaning", map(_event_row, events)),
            ]
        ).rstrip("\n")
        + "\n"
    )


def _table(head: str, rows: Iterable[str]) -> Iterator[str]:
    yield f"| {head} |"
    yield "|" + "---|" * (head.count("|") + 1)
    yield from (f"| {row} |" for row in rows)
    yield ""


def _outcome_row(reason: Reason) -> str:
    counts = (
        "final the second time"
        if reason.has_second_chance
        else "final"
        if reason.final
        else "yes"
        if reason.counts_against_budget
        else "no"
    )
    return f"`{reason}` | {reason.outcome} | {counts} | {reason.meaning} | {_sentence(reason.remedy)}"


def _condition_row(reason: Reason) -> str:
    name = f"**`{reason}`**" if reason.needs_action else f"`{reason}`"
    return f"{name} | {reason.meaning} | {_sentence(reason.remedy)}"


def _event_row(reason: Reason) -> str:
    return f"`{reason}` | {reason.severity} | {reason.meaning}"


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}." if clause else ""


def main() -> None:
    """Write the page, or check it."""
    write_or_check({Path("docs") / "troubleshooting.md": troubleshooting_page()}, __doc__ or "")


if __name__ == "__main__":
    main()
