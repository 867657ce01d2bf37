"""The stage train: from prepared data to a trained model, through whatever interrupts it."""

import logging
from datetime import UTC, datetime

from posefleet_api.status import Checkpoint
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared, wants_clips
from posefleet_trainer.errors import Preempted
from posefleet_trainer.gang.collectives import from_first, largest, share_buffers, wait_for_all
from posefleet_trainer.gang.determinism import compute_threads, make_reproducible
from posefleet_trainer.gang.preemption import StopRequest, stop_request
from posefleet_trainer.losses.build import unsupervised_losses
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.preparation.load import Fetched, fetch_training_files
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.training.checkpoints import CheckpointWriter, training_fingerprint
from posefleet_trainer.training.control import CheckpointClock, StepControl
from posefleet_trainer.training.data import TrainingData, image_size, open_data, open_loader
from posefleet_trainer.training.history import History
from posefleet_trainer.training.lightning import FirstSteps, new_trainer
from posefleet_trainer.training.model_files import find_model, read_model, write_model
from posefleet_trainer.training.module import Objective, PoseModule
from posefleet_trainer.training.plan import Plan
from posefleet_trainer.training.reporting import Reporter, StepTimer
from posefleet_trainer.training.start import Start, find_start
from posefleet_trainer.training.validation import validation_pixel_error

_log = logging.getLogger(__name__)


def train(context: Context, prepared: Prepared, fetched: Fetched | None = None) -> TrainedModel:
    """Train, or go on from the newest checkpoint, or return at once what an earlier attempt has trained.

    All ranks call it together and return the same model. ``fetched``: what has been brought to this node already.

    Raises:
        Preempted: SIGTERM came to any rank; the checkpoint or the model is in the store.
        NonFiniteLoss: a loss became NaN or infinite.
        InvalidInput: the manifest or the data cannot be trained on.
        StoreUnreachable: the store was away for longer than its patience.
        PeerLost: another rank went away.
    """
    make_reproducible(compute_threads(context.job.spec.resources.cpus_per_node, context.rank.local_world))
    fingerprint = training_fingerprint(context.job.spec, prepared)
    done = from_first(find_model(context.output, fingerprint, context.progress) if context.rank.index == 0 else None)
    if done is not None:
        _log.info("training has ended before: %s", done.uri)
        return read_model(context.output, NodeCache(context.cache_directory, context.cache_bytes), done)
    if fetched is None:
        cache = NodeCache(context.cache_directory, context.cache_bytes)
        fetched = fetch_training_files(context.prepared, cache, context.job.spec, prepared, context.progress)
    try:
        with stop_request() as request:
            model = _Run(context, prepared, fetched, fingerprint).train(request)
        if any(largest([request.made])):
            raise Preempted("asked to stop; the trained model is in the store")
        return model
    finally:
        # What training read may be evicted for the videos that are predicted next.
        fetched.cache.close()


class _Run:
    """One attempt at a training."""

    def __init__(self, context: Context, prepared: Prepared, fetched: Fetched, fingerprint: str) -> None:
        self._context = context
        self._prepared = prepared
        self._fingerprint = fingerprint
        self._spec = context.job.spec
        self._image = image_size(self._spec)
        self._data: TrainingData = open_data(self._spec, prepared, fetched)
        self._plan = self._new_plan()
        self._start: Start = find_start(context, prepared, fetched.cache, fingerprint)
        self._history = History(self._start.state.history if self._start.state else None)

    def train(self, request: StopRequest) -> TrainedModel:
        """Run the remaining steps and leave the model in the output folder."""
        first_step = self._first_step()
        module = self._new_module()
        reporter = Reporter(self._plan, self._context.progress, first_step, bar=self._context.rank.index == 0)
        writer = self._new_writer()
        threads = compute_threads(self._spec.resources.cpus_per_node, self._context.rank.local_world)
        loader = open_loader(self._context, self._data, self._plan, first_step, threads)
        try:
            # Ranks are not ready together, and NCCL, which comes next, waits minutes for them and not hours.
            wait_for_all()
            if first_step < self._plan.steps:
                callbacks = [
                    FirstSteps(request, self._image, len(self._prepared.keypoints), self._context.timeline),
                    StepTimer(),
                    self._control(module, writer, request, reporter),
                ]
                new_trainer(self._spec.training, self._context.rank, callbacks).fit(module, train_dataloaders=loader)
        finally:
            loader.close()
            reporter.close()
            self._note_end()
            if writer is not None:
                writer.close()
        return self._finish(module)

    def _new_plan(self) -> Plan:
        training = self._spec.training
        return Plan(
            epochs=training.epochs,
            frames=len(self._data.training.frames),
            batch_size=training.batch_size,
            clip_length=training.clip_length if wants_clips(self._spec) else 0,
            world=self._context.rank.world,
            validate_every_epochs=training.validate_every_epochs,
        )

    def _first_step(self) -> int:
        state = self._start.state
        first_step = self._plan.step_of_sample(state.samples) if state else 0
        self._context.progress.begin(
            "train",
            100.0 * self._plan.share_done(first_step),
            step=first_step,
            steps=self._plan.steps,
            epoch=self._plan.epoch(first_step),
            epochs=self._plan.epochs,
        )
        self._context.progress.resumed_at(first_step)
        if first_step:
            _log.info("training goes on from step %d of %d", first_step, self._plan.steps)
        return first_step

    def _new_module(self) -> PoseModule:
        losses = unsupervised_losses(self._spec.losses, fit_pose_spaces(self._spec, self._prepared))
        state = self._start.state
        return PoseModule(
            Objective(self._start.network, self._image, losses),
            self._plan,
            learning_rate=self._spec.training.learning_rate,
            pretrained=self._spec.model.weights != "none" or bool(self._spec.checkpoint.resume_from),
            seed=self._spec.training.seed,
            optimizer_state=state.optimizer if state else None,
        )

    def _new_writer(self) -> CheckpointWriter | None:
        if self._context.rank.index != 0:
            return None
        keep = self._spec.checkpoint.keep
        return CheckpointWriter(
            self._context.output, self._context.cache_directory, keep, self._fingerprint, self._context.progress
        )

    def _control(
        self, module: PoseModule, writer: CheckpointWriter | None, request: StopRequest, reporter: Reporter
    ) -> StepControl:
        rank = self._context.rank

        def measure() -> float | None:
            share_buffers(self._start.network)
            return validation_pixel_error(
                self._start.network, self._data.validation, rank.index, rank.world, module.device
            )

        clock = CheckpointClock(60.0 * self._spec.checkpoint.every_minutes)
        return StepControl(
            plan=self._plan,
            history=self._history,
            measure=measure,
            writer=writer,
            clock=clock,
            request=request,
            reporter=reporter,
        )

    def _finish(self, module: PoseModule) -> TrainedModel:
        """The weights after the last step are the model: chosen by the schedule, not by a few validation frames."""
        share_buffers(module.objective.network)
        model = TrainedModel(
            module.objective.network,
            self._spec.model.backbone,
            list(self._prepared.keypoints),
            self._image,
            self._history.records,
        )
        if self._context.rank.index == 0:
            self._write(model)
        wait_for_all()
        return model

    def _note_end(self) -> None:
        """Of the last whole epoch, however training ended."""
        self._context.facts.note(startup_seconds=dict(self._context.timeline.seconds))
        if self._history.records:
            self._context.facts.note(losses=self._history.records[-1]["losses"])

    def _write(self, model: TrainedModel) -> None:
        context, steps = self._context, self._plan.steps
        manifest = write_model(context.output, model, steps, self._fingerprint, context.cache_directory)
        time = datetime.now(UTC).isoformat(timespec="seconds")
        context.progress.saved(Checkpoint(uri=manifest.uri, step=steps, time=time, sha256=manifest.sha256))
        _log.info("trained %d steps: %s (weights %s)", steps, manifest.uri, manifest.weights_sha256)
