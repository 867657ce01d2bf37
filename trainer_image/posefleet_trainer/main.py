"""The command ``posefleet-trainer``, which runs the stages of a job in order.

Each stage imports the heavy libraries that it uses: ``prepare`` runs without torch, and the launcher, which starts the
ranks, without any of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posefleet_api.status import Artifacts, Stage
    from posefleet_trainer.context import Context

STAGES: tuple[Stage, ...] = ("prepare", "train", "predict", "report")


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``posefleet-trainer`` or ``python -m posefleet_trainer``: as the launcher, or where RANK is set as a rank."""
    if "RANK" in os.environ:
        from posefleet_trainer.gang.stacks import write_stacks_on_signal

        write_stacks_on_signal()
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    stages: tuple[Stage, ...] = arguments.stages
    if "RANK" in os.environ:
        from posefleet_trainer.gang.rank_process import run_process

        run_process(arguments.job, lambda context: run_stages(context, stages), prepares_only=stages == ("prepare",))
    from posefleet_trainer.gang.launcher import launch

    sys.exit(launch(words, arguments.job, os.environ))


def run_stages(context: Context, stages: Sequence[Stage]) -> Artifacts | None:
    """Run ``stages`` on this rank, and return the artifacts if a report was among them."""
    from posefleet_trainer.gang.process_group import run_on_first_rank
    from posefleet_trainer.preparation.load import load_prepared
    from posefleet_trainer.preparation.prepare import prepare

    if "prepare" in stages:
        run_on_first_rank(context.rank.index, context.rank.world, lambda: prepare(context))
    if stages == ("prepare",):
        return None
    from posefleet_trainer.gang.imports import import_in_background
    from posefleet_trainer.output_folder import MODEL_MANIFEST_KEY
    from posefleet_trainer.preflight.preflight import preflight
    from posefleet_trainer.preparation.load import fetch_training_files
    from posefleet_trainer.store.fence import fenced

    context = replace(context, output=fenced(context.output, context.attempt, begins=context.rank.index == 0))
    prepared = load_prepared(context.output, context.prepared, context.job.spec)
    preflight(context, prepared)
    context.timeline.mark("preflight")
    with import_in_background("posefleet_trainer.training.train"):
        # Where the output folder has a model already, training may not be needed, and neither are its files.
        fetched = None
        if not context.output.find(MODEL_MANIFEST_KEY):
            cache = context.open_cache()
            fetched = fetch_training_files(context.prepared, cache, prepared, context.progress)
        context.timeline.mark("data")
    context.timeline.mark("import")
    from posefleet_trainer.record.facts import versions
    from posefleet_trainer.training.train import train

    context.facts.note(versions=versions())
    model = train(context, prepared, fetched)
    if "predict" not in stages:
        return None
    from posefleet_trainer.prediction.predict import predict

    predictions = predict(context, prepared, model)
    if "report" not in stages:
        return None
    from posefleet_trainer.report.report import report

    return report(context, prepared, model, predictions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="posefleet-trainer", description="Train the model of a PoseTrainingJob.")
    parser.add_argument("job", type=Path, help="the manifest, as YAML or JSON")
    parser.add_argument("--stages", type=_stages, default=STAGES, help=f"default: {','.join(STAGES)}")
    return parser


def _stages(text: str) -> tuple[Stage, ...]:
    names = text.split(",")
    if unknown := [name for name in names if name not in STAGES]:
        raise argparse.ArgumentTypeError(f"no such stage: {', '.join(unknown)}; there are {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if stage in names)
