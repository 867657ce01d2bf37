"""Checkpoints in the store: their keys and manifests, the training that they belong to, and their writer.

A manifest is written after its checkpoint's file is complete, so that a checkpoint with a manifest is complete. The key
``latest.json`` holds a copy of the newest manifest.
"""

import hashlib
import logging
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.job import Spec
from posefleet_api.status import Checkpoint
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.output_folder import CHECKPOINTS_FOLDER, LATEST_CHECKPOINT_KEY
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.files import scratch_folder, sha256_of
from posefleet_trainer.telemetry.metrics import CHECKPOINT_SECONDS
from posefleet_trainer.telemetry.progress import ProgressTracker

_log = logging.getLogger(__name__)
#: The job's author is warned of a checkpoint whose upload takes longer than this.
_SLOW_SECONDS = 60.0
_MANIFEST_KEY = re.compile(rf"{CHECKPOINTS_FOLDER}step-(\d{{9}})\.json")


class CheckpointManifest(ApiModel):
    """Describes a checkpoint whose file is complete in the store."""

    uri: str
    """Where the checkpoint's file is."""
    key: str
    """Key of the file in the output folder."""
    step: Annotated[int, Field(ge=0)]
    """Optimizer steps that were done when it was written."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file."""
    bytes: Annotated[int, Field(ge=1)]
    """Size of the file."""
    time: str
    """When the upload of the file ended, in ISO 8601 and UTC."""
    fingerprint: str
    """``training_fingerprint`` of the training that it belongs to."""


def checkpoint_key(step: int) -> str:
    """Return the key of the file of the checkpoint after ``step`` steps."""
    return f"{CHECKPOINTS_FOLDER}step-{step:09d}.ckpt"


def manifest_key(step: int) -> str:
    """Return the key of the manifest of the checkpoint after ``step`` steps."""
    return f"{CHECKPOINTS_FOLDER}step-{step:09d}.json"


def step_of_manifest(key: str) -> int | None:
    """Return the step of a checkpoint from the key of its manifest; None if ``key`` is not the key of a manifest."""
    match = _MANIFEST_KEY.fullmatch(key)
    return int(match.group(1)) if match else None


def training_fingerprint(spec: Spec, prepared: Prepared) -> str:
    """Return the SHA-256 of all inputs that determine the trained weights, except for the number of ranks.

    A checkpoint or model with the same fingerprint belongs to the same training. ``checkpoint.resumeFrom`` is
    represented by its URI and not by its content, since its file may be deleted while the job continues.
    """
    parts = [
        spec.dataset.split.to_json(),
        spec.model.to_json(),
        spec.losses.to_json(),
        spec.training.to_json(),
        ",".join(prepared.keypoints),
        prepared.frames_archive.sha256,
        *(frame.to_json() for frame in prepared.frames),
        *(video.proxy.sha256 for video in prepared.clip_videos if video.proxy),
    ]
    if spec.checkpoint.resume_from:
        parts.append(spec.checkpoint.resume_from)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class CheckpointWriter:
    """Writes checkpoints to the output folder in a background thread, one at a time.

    The checkpoint's file is written first, then its manifest, then ``latest.json``, so that ``latest.json`` always
    names a complete checkpoint. Older checkpoints are deleted after that.

    Args:
        output: the store of the output folder.
        directory: local directory for the file until it is uploaded.
        keep: number of checkpoints that are kept.
        fingerprint: ``training_fingerprint`` of the training.
        progress: publishes the checkpoint, and a warning if the upload is slow.
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
        """Whether a checkpoint is being written."""
        return self._writing is not None and not self._writing.done()

    def begin(self, step: int, content: dict[str, Any]) -> None:
        """Start to write ``content`` as the checkpoint after ``step`` steps; the caller must not change it any more.

        Waits until the previous checkpoint is written.

        Raises:
            StoreUnreachable: the previous checkpoint could not be written within the store's patience.
        """
        self.wait()
        self._began = time.monotonic()
        self._writing = self._thread.submit(self._write, step, content, self._began)

    def wait(self) -> None:
        """Wait until no checkpoint is being written.

        Raises:
            StoreUnreachable: the last checkpoint could not be written within the store's patience.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def failed(self) -> bool:
        """Return whether the last checkpoint could not be written, in which case ``wait`` raises the reason.

        Publishes a warning if the checkpoint has been uploading for more than a minute.
        """
        if self.busy and time.monotonic() - self._began > _SLOW_SECONDS:
            self._progress.warn(
                f"a checkpoint has been uploading to {self._output.uri}{CHECKPOINTS_FOLDER} for more than "
                f"{_SLOW_SECONDS:.0f} s: the store is slow or unreachable; training continues and the upload is retried"
            )
        writing = self._writing
        return writing is not None and writing.done() and writing.exception() is not None

    def close(self) -> None:
        """Stop the thread, without waiting for a checkpoint that is being written; call ``wait`` first to keep it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _write(self, step: int, content: dict[str, Any], began: float) -> None:
        with scratch_folder(self._directory) as folder:
            path = folder / "checkpoint"
            torch.save(content, path)
            manifest = self._upload(step, path)
        encoded = manifest.to_json().encode()
        self._output.write(manifest_key(step), encoded, "application/json")
        self._output.write(LATEST_CHECKPOINT_KEY, encoded, "application/json")
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
        """Delete all checkpoints except for the last ``keep`` up to step ``newest``.

        Checkpoints of later steps were left by another training, which this one replaces.
        """
        listed = [step_of_manifest(stored.key) for stored in self._output.list(CHECKPOINTS_FOLDER)]
        steps = [step for step in listed if step is not None]
        kept = sorted((step for step in steps if step <= newest), reverse=True)[: self._keep]
        for step in steps:
            if step not in kept:
                self._output.delete(manifest_key(step))
                self._output.delete(checkpoint_key(step))
