"""Measures how many jobs one operator carries: ``make scale``, or ``JOBS="100 1000" make scale``."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from scale.measurement import Measured, Options, measure
from scale.report import Row, table

_MOST_FINISHED, _MOST_FAILURES = 1000, 120
#: Requests per job may differ by this much between numbers of jobs, because some follow from time and not from jobs.
_SPREAD = 1.15


def main() -> None:
    """Measure each number of jobs, and print the tables. The exit code is 1 if a bar is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=int, nargs="*", default=[100, 1000, 5000], help="numbers of jobs")
    parser.add_argument("--steady-seconds", type=float, help="how long the CPU is measured while all jobs run")
    parser.add_argument("--keep", type=Path, help="folder for all logs, which are deleted otherwise")
    options = parser.parse_args()
    # As Ctrl-C does, so that the cluster is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = options.keep or Path(tempfile.mkdtemp(prefix="posefleet-scale-"))
    per_job: dict[int, float] = {}
    reached = True
    try:
        for jobs in options.jobs:
            measured = Measured(_options(jobs, options.steady_seconds))
            try:
                asyncio.run(measure(measured, directory / str(jobs)))
            except (KeyboardInterrupt, TimeoutError) as end:
                print(f"ended early, so that some figures are missing: {end!r}", flush=True)
            rows = measured.rows()
            if measured.requests_per_job is not None:
                per_job[jobs] = measured.requests_per_job
            reached = reached and all(row.reached for row in rows)
            print(f"\n{table(f'{jobs} jobs of four pods', rows)}\n", flush=True)
        if len(per_job) > 1:
            smallest, largest = min(per_job.values()), max(per_job.values())
            row = Row("most requests per job, divided by the fewest", largest / smallest, "", _SPREAD)
            reached = reached and row.reached
            print(table(f"{', '.join(map(str, per_job))} jobs", [row]))
    finally:
        if options.keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if reached else 1)


def _options(jobs: int, steady_seconds: float | None) -> Options:
    return Options(
        jobs=jobs,
        finished=min(_MOST_FINISHED, jobs),
        steady_seconds=steady_seconds or (20.0 if jobs <= 100 else 60.0),
        failures=min(_MOST_FAILURES, max(20, jobs // 10)),
    )


if __name__ == "__main__":
    main()
