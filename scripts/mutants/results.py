"""The outcomes of finished runs in a file, so that an interrupted measurement goes on where it was."""

import json
from pathlib import Path
from typing import Any, Self

KILLED = frozenset({"killed", "timeout"})
#: The outcome of a mutant whose lines no test executes.
UNTESTED = "untested"
_SEVERAL_STATES = "several states of the repository"


class Results:
    """Outcomes by the key of the mutant, and the state of the repository in which they were measured."""

    def __init__(self, file: Path, state: str, outcomes: dict[str, str]) -> None:
        self.outcomes = outcomes
        self._file = file
        self._state = state

    @classmethod
    def of_state(cls, file: Path, state: str) -> Self:
        """What was measured before in the same state of the repository."""
        kept = _read(file)
        return cls(file, state, kept["outcomes"] if kept["state"] == state else {})

    @classmethod
    def of_any_state(cls, file: Path) -> Self:
        """What was measured before, in whichever state."""
        return cls(file, _SEVERAL_STATES, _read(file)["outcomes"])

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"state": self._state, "outcomes": self.outcomes}))
        new.replace(self._file)


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {"state": "", "outcomes": {}}
