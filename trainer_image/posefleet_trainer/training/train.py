"""The stage train: from prepared data to a trained model, however often it is interrupted."""

import logging
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from posefleet_api.job import Spec
from posefleet_api.status import Checkpoint
from posefleet_trainer.context import Context, Rank
from posefleet_trainer.dataset.fingerprint import training_fingerprint
from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import Preempted
from posefleet_trainer.gang.collectives import from_first, largest, share_buffers, wait_for_all
from posefleet_trainer.gang.determinism import compute_threads, make_reproducible
from posefleet_trainer.gang.preemption import StopRequest, stop_request
from posefleet_trainer.loading.labelled import FrameStore
from posefleet_trainer.losses.build import unsupervised_losses
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.preparation.load import Fetched, fetch_training_files
from posefleet_trainer.record.facts import FactsFile
from posefleet_trainer.store.base import Store
from posefleet_trainer.telemetry.progress import ProgressTracker, Timeline
from posefleet_trainer.training.checkpoints import CheckpointWriter
from posefleet_trainer.training.control import CheckpointClock, StepControl
from posefleet_trainer.training.data import TrainingData, open_data, open_loader
from posefleet_trainer.training.history import History
from posefleet_trainer.training.lightning import FirstSteps, new_trainer
from posefleet_trainer.training.model_files import find_model, read_model, write_model
from posefleet_trainer.training.module import Objective, PoseModule
from posefleet_trainer.training.plan import Plan
from posefleet_trainer.training.reporting import Reporter, StepTimer
from posefleet_trainer.training.resume import TrainingState
from posefleet_trainer.training.start import find_state, starting_network
from posefleet_trainer.training.validation import validation_pixel_error

_log = logging.getLogger(__name__)


def train(context: Context, prepared: Prepared, fetched: Fetched | None = None) -> TrainedModel:
    """Train from the start or from the newest checkpoint, or return the model that an earlier attempt has trained.

    All ranks call it together and return the same model.

    Args:
        context: the job and this rank.
        prepared: what the stage prepare made of the project.
        fetched: its files on this node; None downloads them if they are needed.

    Raises:
        Preempted: SIGTERM came to any rank; the checkpoint or the model is in the store.
        NonFiniteLoss: a loss became NaN or infinite.
        InvalidInput: the manifest or the data cannot be trained on.
        StoreUnreachable: the store was away for longer than its patience.
        PeerLost: another rank went away.
        Superseded: a newer attempt of the job has begun (on rank 0).
    """
    make_reproducible(compute_threads(context.job.spec.resources.cpus_per_node, context.rank.local_world))
    fingerprint = training_fingerprint(context.job.spec, prepared)
    done = from_first(find_model(context.output, fingerprint, context.progress) if context.rank.index == 0 else None)
    if done is not None:
        _log.info("training has ended before: %s", done.uri)
        return read_model(context.output, context.open_cache(), done)
    if fetched is None:
        fetched = fetch_training_files(context.prepared, context.open_cache(), prepared, context.progress)
    try:
        with stop_request() as request:
            model = _train_remaining_steps(context, prepared, fetched, fingerprint, request)
        if any(largest([request.made])):
            raise Preempted("asked to stop; the trained model is in the store")
        return model
    finally:
        # What training read may be evicted for the videos that are predicted next.
        fetched.cache.close()


def _train_remaining_steps(
    context: Context, prepared: Prepared, fetched: Fetched, fingerprint: str, request: StopRequest
) -> TrainedModel:
    """Run the steps that no earlier attempt has done, and write the model to the output folder."""
    spec, rank, progress = context.job.spec, context.rank, context.progress
    data = open_data(spec, prepared, fetched)
    image, keypoints = data.training.image, len(prepared.keypoints)
    plan = _plan_of(spec, data, rank.world)
    state = find_state(context.output, fetched.cache, fingerprint, rank, progress)
    network = starting_network(spec, keypoints, state, fetched.cache, context.hub_directory, rank)
    history = History(state.history if state else None)
    first_step = _announce(progress, plan, state)
    module = _module_of(spec, prepared, plan, network, image, state)
    threads = compute_threads(spec.resources.cpus_per_node, rank.local_world)
    with (
        closing(_writer(context, fingerprint)) if rank.index == 0 else nullcontext() as writer,
        closing(Reporter(plan, progress, first_step, bar=rank.index == 0)) as reporter,
        closing(open_loader(data, plan, rank, spec.training.seed, first_step, threads)) as loader,
    ):
        try:
            # Ranks are not ready together, and NCCL, which comes next, waits minutes for them and not hours.
            wait_for_all()
            if first_step < plan.steps:
                control = StepControl(
                    plan=plan,
                    history=history,
                    measure=_measurement(network, data.validation, rank, module),
                    writer=writer,
                    clock=CheckpointClock(float(spec.checkpoint.interval_seconds)),
                    request=request,
                    reporter=reporter,
                )
                callbacks = [FirstSteps(request, image, keypoints, context.timeline), StepTimer(), control]
                new_trainer(spec.training, rank, callbacks).fit(module, train_dataloaders=loader)
        finally:
            _note_end(context.facts, context.timeline, history)
    share_buffers(network)
    model = TrainedModel(network, spec.model.backbone, list(prepared.keypoints), image, history.records)
    if rank.index == 0:
        _write(model, context.output, context.cache_directory, plan.steps, fingerprint, progress)
    wait_for_all()
    return model


def _plan_of(spec: Spec, data: TrainingData, world: int) -> Plan:
    training = spec.training
    return Plan(
        epochs=training.epochs,
        frames=len(data.training.frames),
        batch_size=training.batch_size,
        clip_length=training.clip_length if data.clips else 0,
        world=world,
        validate_every_epochs=training.validate_every_epochs,
    )


def _announce(progress: ProgressTracker, plan: Plan, state: TrainingState | None) -> int:
    """Report where training starts or continues; returns the first step of this attempt."""
    first_step = plan.step_of_sample(state.samples) if state else 0
    progress.begin(
        "train",
        100.0 * plan.share_done(first_step),
        step=first_step,
        steps=plan.steps,
        epoch=plan.epoch(first_step),
        epochs=plan.epochs,
    )
    progress.resumed_at(first_step)
    if first_step:
        _log.info("training continues from step %d of %d", first_step, plan.steps)
    return first_step


def _module_of(
    spec: Spec, prepared: Prepared, plan: Plan, network: PoseNetwork, image: Grid, state: TrainingState | None
) -> PoseModule:
    losses = unsupervised_losses(spec.losses, fit_pose_spaces(spec, prepared))
    return PoseModule(
        Objective(network, image, losses),
        plan,
        learning_rate=spec.training.learning_rate,
        pretrained=spec.model.weights != "none" or bool(spec.checkpoint.resume_from),
        seed=spec.training.seed,
        optimizer_state=state.optimizer if state else None,
    )


def _writer(context: Context, fingerprint: str) -> CheckpointWriter:
    keep = context.job.spec.checkpoint.keep
    return CheckpointWriter(
        context.output, context.attempt, context.cache_directory, keep, fingerprint, context.progress
    )


def _measurement(
    network: PoseNetwork, validation: FrameStore, rank: Rank, module: PoseModule
) -> Callable[[], float | None]:
    """Return the function that measures the validation pixel error, on all ranks together."""

    def measure() -> float | None:
        share_buffers(network)
        return validation_pixel_error(network, validation, rank.index, rank.world, module.device)

    return measure


def _note_end(facts: FactsFile, timeline: Timeline, history: History) -> None:
    """Note the start-up times and the losses of the last whole epoch, however training ended."""
    facts.note(startup_seconds=dict(timeline.seconds))
    if history.records:
        facts.note(losses=history.records[-1]["losses"])


def _write(
    model: TrainedModel, output: Store, directory: Path, steps: int, fingerprint: str, progress: ProgressTracker
) -> None:
    """Write the model after the last step, which the schedule chose and not a handful of validation frames."""
    manifest = write_model(output, model, steps, fingerprint, directory)
    time = datetime.now(UTC).isoformat(timespec="seconds")
    progress.saved(Checkpoint(uri=manifest.uri, step=steps, time=time, sha256=manifest.sha256))
    _log.info("trained %d steps: %s (weights %s)", steps, manifest.uri, manifest.weights_sha256)
