"""``python -m chaos``: try every fault some times, and print what it cost and what went wrong."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kubernetes import client

from chaos.cluster import create_namespace, running_cluster
from chaos.faults import Fault, Run
from chaos.operator_faults import FAULTS as OPERATOR_FAULTS
from chaos.operator_world import NAMESPACE, OperatorWorld
from chaos.table import markdown, text
from posefleet_lab.cluster import Cluster
from posefleet_lab.object_stores.base import Credentials

FAULTS = OPERATOR_FAULTS


def main() -> int:
    """Return 1 if any outcome was wrong."""
    options = _options()
    faults = [fault for fault in FAULTS if not options.only or fault.name in options.only]
    if unknown := set(options.only) - {fault.name for fault in FAULTS}:
        sys.exit(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(f.name for f in FAULTS)}")
    runs: list[Run] = []
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as directory,
        running_cluster(Path(directory), any(fault.world == "training" for fault in faults), _say) as (cluster, api),
    ):
        _operator_faults(cluster, api, Path(directory), faults, options, runs)
    took = (time.monotonic() - begun) / 60
    _say(f"\n{text(FAULTS, runs)}\n\n{len(runs)} runs in {took:.0f} minutes, seed {options.seed}")
    if options.table:
        options.table.parent.mkdir(parents=True, exist_ok=True)
        how = f"{len(runs)} runs with seed {options.seed}, in {took:.0f} minutes."
        options.table.write_text(markdown(FAULTS, runs, how))
    wrong = [run for run in runs if run.problems]
    return 1 if wrong else 0


def _operator_faults(
    cluster: Cluster,
    api: client.ApiClient,
    directory: Path,
    faults: Sequence[Fault],
    options: argparse.Namespace,
    runs: list[Run],
) -> None:
    mine = [fault for fault in faults if fault.world == "operator"]
    if not mine:
        return
    create_namespace(api, NAMESPACE, Credentials.generate())
    with OperatorWorld(cluster, api, directory) as world:
        for place, fault in enumerate(mine, start=1):
            for number in range(fault.runs(options.runs)):
                dice = random.Random(f"{options.seed} {fault.name} {number}")
                run = world.run(fault, dice, f"{fault.name}-{number}")
                runs.append(run)
                _say_run(run, f"fault {place} of {len(mine)}", number + 1, fault.runs(options.runs))


def _say_run(run: Run, place: str, number: int, of: int) -> None:
    if run.left_out:
        _say(f"{place}, {run.fault}, run {number} of {of}: left out, because {run.left_out}")
        return
    lost = "-" if run.steps_lost is None else run.steps_lost
    after = "-" if run.seconds is None else f"{run.seconds:.1f} s"
    verdict = "WRONG" if run.problems else "right"
    cost = f"{lost} steps lost, a pause of {after}; {run.took:.0f} s"
    _say(f"{place}, {run.fault}, run {number} of {of}: {verdict}, {cost}")
    for problem in run.problems:
        _say(f"    {problem}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=2, help="how often each fault is tried")
    parser.add_argument("--seed", default="0", help="chooses the moments")
    parser.add_argument(
        "--only", default="", type=lambda text: text.replace(",", " ").split(), help="only these faults"
    )
    parser.add_argument("--table", type=Path, help="a file for the table as markdown")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
