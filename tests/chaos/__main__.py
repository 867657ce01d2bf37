"""``python -m chaos``: try every fault some times, and print what it cost and what went wrong."""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

from chaos.cluster import running_cluster
from chaos.faults import Fault, Run
from chaos.journal import Journal
from chaos.operator_faults import FAULTS as OPERATOR_FAULTS
from chaos.operator_world import OperatorWorld
from chaos.table import markdown, text
from chaos.training_faults import FAULTS as TRAINING_FAULTS
from chaos.training_world import TrainingWorld

FAULTS = (*TRAINING_FAULTS, *OPERATOR_FAULTS)
#: So many faults strike one training, one after the other.
_FAULTS_OF_A_TRAINING = 5


def main() -> int:
    """Return 1 if any outcome was wrong."""
    options = _options()
    # So that whoever stops it leaves no operator, no cluster and no mount behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if unknown := set(options.only) - {fault.name for fault in FAULTS}:
        sys.exit(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(f.name for f in FAULTS)}")
    faults = [fault for fault in FAULTS if not options.only or fault.name in options.only]
    journal = Journal(options.journal, options.seed, options.go_on)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        directory = Path(name)
        with running_cluster(directory, any(fault.world == "training" for fault in faults), _say) as (cluster, api):
            _operator_faults(lambda: OperatorWorld(cluster, api, directory), faults, options, journal)
            _training_faults(lambda: TrainingWorld(cluster, api, directory, _say), faults, options, journal)
    minutes = (time.monotonic() - begun) / 60
    runs = journal.runs
    _say(f"\n{text(FAULTS, runs)}\n\n{len(runs)} runs with seed {options.seed}; the last {minutes:.0f} minutes")
    if options.table:
        options.table.write_text(markdown(FAULTS, runs, f"{len(runs)} runs with seed {options.seed}."))
    return 1 if any(run.problems for run in runs) else 0


def _operator_faults(
    open_world: Callable[[], OperatorWorld], faults: Sequence[Fault], options: argparse.Namespace, journal: Journal
) -> None:
    mine = [fault for fault in faults if fault.world == "operator"]
    planned = [(fault, number) for fault in mine for number in range(options.runs)]
    left = [(fault, number) for fault, number in planned if not journal.has(fault.name, number)]
    if not left:
        return
    with open_world() as world:
        for place, (fault, number) in enumerate(left, start=1):
            if time.monotonic() > options.until:
                break
            dice = random.Random(f"{options.seed} {fault.name} {number}")
            run = world.run(fault, dice, f"{fault.name}-{number}")
            run.number = number
            journal.add(run)
            _say_run(run, f"run {place} of {len(left)}")


def _training_faults(
    open_world: Callable[[], TrainingWorld], faults: Sequence[Fault], options: argparse.Namespace, journal: Journal
) -> None:
    """Let faults in a random order strike trainings, until each has had its runs."""
    mine = [fault for fault in faults if fault.world == "training"]
    planned = [(fault, number) for number in range(options.runs) for fault in mine]
    left = [(fault, number) for fault, number in planned if not journal.has(fault.name, number)]
    if not left:
        return
    random.Random(f"{options.seed} order").shuffle(left)
    total = len(left)
    with open_world() as world:
        world.weights = journal.weights
        if not world.weights:
            _say(f"a training without a fault: {world.leave_in_peace():.0f} s")
            journal.weights = world.weights
        while left and time.monotonic() < options.until:
            dice = random.Random(f"{options.seed} {left[0][0].name} {left[0][1]}")
            struck = left[:_FAULTS_OF_A_TRAINING]
            runs = world.run([fault for fault, _ in struck], dice, f"chaos-{total - len(left)}", options.until)
            for run, (_, number) in zip(runs, struck, strict=False):
                run.number = number
                journal.add(run)
                left.pop(0)
                _say_run(run, f"run {total - len(left)} of {total}")


def _say_run(run: Run, place: str) -> None:
    if run.left_out:
        _say(f"{place}, {run.fault}: left out, because {run.left_out}")
        return
    lost = "-" if run.steps_lost is None else run.steps_lost
    pause = "-" if run.seconds is None else f"{run.seconds:.1f} s"
    verdict = "WRONG" if run.problems else "right"
    _say(f"{place}, {run.fault}: {verdict}, {lost} steps lost, a pause of {pause}; {run.took:.0f} s")
    for problem in run.problems:
        _say(f"    {problem}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how often each fault is tried")
    parser.add_argument("--seed", default="0", help="chooses the moments")
    parser.add_argument(
        "--only", default="", type=lambda text: text.replace(",", " ").split(), help="only these faults"
    )
    parser.add_argument("--journal", type=Path, default=Path("build/chaos.jsonl"), help="a file for the runs")
    parser.add_argument("--go-on", action="store_true", help="make the runs that the file does not have yet")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no run after this time")
    parser.add_argument("--table", type=Path, help="a file for the table as markdown")
    options = parser.parse_args()
    options.until = time.monotonic() + 60 * options.minutes
    return options


if __name__ == "__main__":
    sys.exit(main())
