"""The runs that were made so far, in a file, so that a long series can be interrupted and continued."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaos.faults import Run


class Journal:
    """Appends every run to a file as a line of JSON.

    Args:
        path: the file.
        seed: of the series. Runs of other seeds are not continued.
        continued: keeps the runs that the file has.
    """

    def __init__(self, path: Path, seed: str, continued: bool) -> None:
        self._path = path
        self._seed = seed
        self.runs: list[Run] = []
        self._weights = ""
        if continued and path.exists():
            for line in map(json.loads, path.read_text().splitlines()):
                self._take(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        for kept in self.runs:
            self._write({"run": asdict(kept)})
        if self._weights:
            self._write({"weights": self._weights})

    @property
    def weights(self) -> str:
        """The hash of the weights of a training that was left in peace; empty if there was none yet."""
        return self._weights

    @weights.setter
    def weights(self, found: str) -> None:
        self._weights = found
        self._write({"weights": found})

    def has(self, fault: str, number: int) -> bool:
        """Return whether a run was made."""
        return any((run.fault, run.number) == (fault, number) for run in self.runs)

    def add(self, run: Run) -> None:
        """Note a run."""
        self.runs.append(run)
        self._write({"run": asdict(run)})

    def _take(self, line: dict[str, Any]) -> None:
        if line["seed"] == self._seed and "run" in line:
            self.runs.append(Run(**line["run"]))
        elif line["seed"] == self._seed:
            self._weights = line["weights"]

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"seed": self._seed, **line}) + "\n")
