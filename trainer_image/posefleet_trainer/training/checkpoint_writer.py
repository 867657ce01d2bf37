"""Checkpoints on their way to the store, while training goes on."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from posefleet_api.status import Checkpoint
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.files import sha256_of
from posefleet_trainer.telemetry.metrics import CHECKPOINT_SECONDS
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.checkpoint_manifest import (
    FOLDER,
    LATEST_KEY,
    CheckpointManifest,
    checkpoint_key,
    manifest_key,
    step_of_manifest,
)
from posefleet_trainer.training.scratch import scratch_folder

_log = logging.getLogger(__name__)
#: A checkpoint that is this long on its way is worth a word to the job's author.
_SLOW_SECONDS = 60.0


class CheckpointWriter:
    """Writes one checkpoint at a time, in a thread: file, then its manifest, then ``latest.json``.

    Whatever happens in between, ``latest.json`` names a whole checkpoint. Older ones beyond ``keep`` are deleted only
    after that.
    """

    def __init__(self, output: Store, directory: Path, keep: int, fingerprint: str, progress: ProgressTracker) -> None:
        self._output = output
        self._directory = directory
        self._keep = keep
        self._fingerprint = fingerprint
        self._progress = progress
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._began = 0.0

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is on its way."""
        return self._writing is not None and not self._writing.done()

    def begin(self, step: int, content: dict[str, Any]) -> None:
        """Start to write ``content`` (which nobody changes from now on) as the checkpoint after ``step`` steps.

        Waits for the one before, and raises what became of it.
        """
        self.wait()
        self._began = time.monotonic()
        self._writing = self._thread.submit(self._write, step, content, self._began)

    def wait(self) -> None:
        """Until nothing is on its way.

        Raises:
            StoreUnreachable: the last checkpoint could not be written within the store's patience.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def failed(self) -> bool:
        """Whether the last checkpoint could not be written (``wait`` then raises why); warns of a slow one."""
        if self.busy and time.monotonic() - self._began > _SLOW_SECONDS:
            self._progress.warn(
                f"a checkpoint is on its way to {self._output.uri}{FOLDER} for more than {_SLOW_SECONDS:.0f} s: "
                "the store is slow or away; training goes on and the upload is tried again"
            )
        writing = self._writing
        return writing is not None and writing.done() and writing.exception() is not None

    def close(self) -> None:
        """Stop; whoever wants the last checkpoint waits for it before."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _write(self, step: int, content: dict[str, Any], began: float) -> None:
        with scratch_folder(self._directory) as folder:
            path = folder / "checkpoint"
            torch.save(content, path)
            manifest = self._upload(step, path)
        encoded = manifest.to_json().encode()
        self._output.write(manifest_key(step), encoded, "application/json")
        self._output.write(LATEST_KEY, encoded, "application/json")
        CHECKPOINT_SECONDS.observe(time.monotonic() - began)
        self._progress.saved(Checkpoint(uri=manifest.uri, step=step, time=manifest.time, sha256=manifest.sha256))
        _log.info("checkpoint after step %d: %s", step, manifest.uri)
        self._prune(step)

    def _upload(self, step: int, path: Path) -> CheckpointManifest:
        key = checkpoint_key(step)
        sha256 = sha256_of(path)
        self._output.upload(path, key)
        return CheckpointManifest(
            uri=f"{self._output.uri}{key}",
            key=key,
            step=step,
            sha256=sha256,
            bytes=path.stat().st_size,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=self._fingerprint,
        )

    def _prune(self, newest: int) -> None:
        """Delete all but the newest ``keep``; those of later steps belong to a training that this one replaced."""
        listed = [step_of_manifest(stored.key) for stored in self._output.list(FOLDER)]
        steps = [step for step in listed if step is not None]
        own = sorted((step for step in steps if step <= newest), reverse=True)[: self._keep]
        for step in steps:
            if step not in own:
                self._output.delete(manifest_key(step))
                self._output.delete(checkpoint_key(step))
