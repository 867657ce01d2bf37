"""Measures how many mutants the unit tests kill: ``python -m mutants [GROUP ...]``; see docs/design/testing.md.

Exit code 0: at least the percentage that pyproject.toml asks for; 1: fewer, the tests fail without a mutant, or the
list of equivalent mutants is wrong; 3: the time given with ``--seconds`` is used up, and the next call goes on.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENTS = Path(__file__).with_name("equivalent.toml")
_OUT_OF_TIME = 3
# Each of the processes that run at a time keeps to one core; libraries read this when they are imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from mutants.baseline import UnitTestsFailed  # noqa: E402
from mutants.measurement import Group, Measurement, OutOfTime, read_groups  # noqa: E402
from mutants.mutations import Mutant  # noqa: E402
from mutants.results import KILLED, UNTESTED  # noqa: E402
from mutants.score import Score, StaleEquivalents, check_equivalents, read_equivalents, score  # noqa: E402


def main() -> int:
    """Measure the groups named on the command line, or all of them."""
    # What was measured is kept, and no test goes on running, when this process is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    groups, minimum_percent = read_groups(ROOT)
    parser = _parser(groups)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.groups if name not in groups]:
        parser.error(f"no group is named {unknown[0]}; there are {', '.join(groups)}")
    all_files = [file for group in groups.values() for file in group.sources]
    measurement = Measurement(ROOT, arguments.jobs, time.monotonic() + arguments.seconds, arguments.again)
    try:
        total = _measure_all([groups[name] for name in arguments.groups or groups], measurement, all_files)
    except OutOfTime:
        _say("out of time; the next call goes on from here")
        return _OUT_OF_TIME
    except (StaleEquivalents, UnitTestsFailed) as error:
        _say(str(error))
        return 1
    _say(f"{total}  all (wanted: {minimum_percent:g} %)")
    return 0 if total.percent >= minimum_percent else 1


def _parser(names: Iterable[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutants", description="Measure how many mutants the unit tests kill.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(names)}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants tested at a time")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time and go on next time")
    parser.add_argument("--again", action="store_true", help="run only what survived before; not a measurement")
    return parser


def _measure_all(groups: Sequence[Group], measurement: Measurement, all_files: Sequence[str]) -> Score:
    equivalents = read_equivalents(EQUIVALENTS)
    total = Score(0, 0, 0)
    for group in groups:
        started = time.monotonic()
        mutants, outcomes = measurement.run(group)
        check_equivalents(equivalents, mutants, outcomes, group.sources, all_files)
        report = ROOT / "build" / "mutants" / f"{group.name}.survivors.txt"
        report.write_text(_survivors(mutants, outcomes, equivalents))
        for file in group.sources:
            if of_file := [mutant for mutant in mutants if mutant.file == file]:
                _say(f"{score(of_file, outcomes, equivalents)}  {file}")
        of_group = score(mutants, outcomes, equivalents)
        _say(f"{of_group}  {group.name} ({time.monotonic() - started:.0f} s; {report.relative_to(ROOT)})")
        total += of_group
    return total


def _survivors(mutants: Sequence[Mutant], outcomes: Mapping[str, str], equivalents: Mapping[str, str]) -> str:
    """The mutants that no test noticed, as diffs."""
    alive = [mutant for mutant in mutants if outcomes.get(mutant.key) not in KILLED and mutant.key not in equivalents]
    notes = {UNTESTED: "  (no test executes this)"}
    return "\n".join(f"{mutant.diff}{notes.get(outcomes.get(mutant.key, ''), '')}\n" for mutant in alive)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = main()
    # Some of the libraries complain when a process ends that has only imported them.
    sys.stdout.flush()
    os._exit(code)
