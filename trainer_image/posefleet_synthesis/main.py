"""The command ``posefleet-synthesize``, which writes a Lightning Pose project with known truth."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from posefleet_api.dataset import Storage
from posefleet_synthesis.animal import BODY_POINTS, SKELETON, VIEWS
from posefleet_synthesis.project import Plan, upload_project, write_project
from posefleet_trainer.errors import TrainerError
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import open_store

_PATIENCE_SECONDS = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if "://" not in options.target:
        return _write(Path(options.target), options)
    with tempfile.TemporaryDirectory(prefix="posefleet-") as scratch:
        try:
            return _write(Path(scratch), options) or upload_project(Path(scratch), _store(options))
        except TrainerError as error:
            sys.stderr.write(f"{error}\n")
            return int(error.exit_code)


def _write(directory: Path, options: argparse.Namespace) -> int:
    if directory.exists() and any(directory.iterdir()) and not options.overwrite:
        sys.stderr.write(f"{directory} is not empty; name another folder, or give --overwrite to replace it\n")
        return 1
    if options.overwrite:
        shutil.rmtree(directory, ignore_errors=True)
    plan = Plan(
        directory=directory,
        seed=options.seed,
        videos=options.videos,
        frames=options.frames,
        labels=options.labels,
        out_of_distribution=options.out_of_distribution,
        size=options.size,
    )
    write_project(plan, options.workers, _print)
    sys.stdout.write(_suggestion())
    return 0


def _store(options: argparse.Namespace) -> Store:
    storage = Storage(endpoint=options.endpoint, region=options.region) if options.endpoint else None
    return open_store(options.target, storage, patience_seconds=_PATIENCE_SECONDS)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="posefleet-synthesize",
        description="Write a Lightning Pose project: a running animal in two mirrored views, with known truth.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("target", help="the project folder to write, here or in a store (s3://BUCKET/PREFIX/)")
    parser.add_argument("--endpoint", default=os.environ.get("POSEFLEET_ENDPOINT", ""), help="the store's address")
    parser.add_argument("--region", default=os.environ.get("POSEFLEET_REGION", ""), help="the store's region")
    parser.add_argument("--seed", type=_natural, default=0, help="equal seeds give equal bytes")
    parser.add_argument("--videos", type=_positive, default=3, help="videos; of several, the last has no labels")
    parser.add_argument("--frames", type=_positive, default=300, help="frames a video")
    parser.add_argument("--labels", type=_positive, default=60, help="labelled frames in all")
    parser.add_argument("--out-of-distribution", type=_positive, default=15, help="labelled frames of another animal")
    parser.add_argument("--size", type=_even_size, default=256, help="side of the square frames in pixels")
    parser.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--overwrite", action="store_true", help="delete what is in the folder first")
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _positive(text: str) -> int:
    if _natural(text) == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


def _even_size(text: str) -> int:
    if _natural(text) < 64 or int(text) % 4:
        raise argparse.ArgumentTypeError("must be a multiple of 4 from 64")
    return int(text)


def _suggestion() -> str:
    """The parts of a manifest that depend on the keypoints' names."""
    views = ["[" + ", ".join(f"{part}_{view}" for part in BODY_POINTS) + "]" for view in VIEWS]
    skeleton = [f"[{one}_{view}, {other}_{view}]" for view in VIEWS for one, other in SKELETON]
    lines = [
        "For the manifest:",
        "  dataset:",
        "    skeleton:",
        *(f"      - {pair}" for pair in skeleton),
        "  losses:",
        "    pcaMultiView:",
        "      views:",
        *(f"        - {view}" for view in views),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
