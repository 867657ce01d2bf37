"""The writer of checkpoints: it uploads them in the background and deletes those that are no longer kept."""

import errno
import logging
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from posefleet_trainer.errors import TrainerError
from posefleet_trainer.models.manifest import NETWORK_VERSION
from posefleet_trainer.output_folder import CHECKPOINTS_FOLDER
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.fence import AttemptId
from posefleet_trainer.store.files import scratch_folder, sha256_of
from posefleet_trainer.telemetry.metrics import CHECKPOINT_SECONDS
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.checkpoint_files import CheckpointManifest, CheckpointName

_log = logging.getLogger(__name__)
#: The job's author is warned of a checkpoint whose upload takes longer than this.
_SLOW_SECONDS = 60.0
#: A disk with less room than this is full.
_FULL_BYTES = 2**20


class CheckpointWriter:
    """Writes checkpoints to the output folder in a background thread, one at a time.

    The checkpoint's file is written first, then its manifest. Older checkpoints are deleted after that.

    Args:
        output: the store of the output folder. It raises ``Superseded`` instead of writing once a newer attempt has
            begun (``store/fence.py``).
        attempt: the attempt that writes.
        directory: local directory for the file until it is uploaded.
        keep: number of checkpoints that are kept.
        fingerprint: ``training_fingerprint`` of the training.
        progress: publishes the checkpoint, and a warning if the upload is slow.
    """

    def __init__(
        self,
        output: Store,
        attempt: AttemptId,
        directory: Path,
        keep: int,
        fingerprint: str,
        progress: ProgressTracker,
    ) -> None:
        self._output = output
        self._attempt = attempt
        self._directory = directory
        self._keep = keep
        self._fingerprint = fingerprint
        self._progress = progress
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._began = 0.0

    @property
    def requested(self) -> bool:
        """Whether the operator has asked for a checkpoint for which none has begun yet."""
        return bool(self._progress.checkpoint_request)

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._writing is not None and not self._writing.done()

    def begin(self, step: int, content: dict[str, Any]) -> None:
        """Start to write ``content`` as the checkpoint after ``step`` steps; the caller must not change it any more.

        Waits until the previous checkpoint is written. The checkpoint answers the request that ``progress`` has, if
        any.

        Raises:
            StoreUnreachable: the previous checkpoint could not be written within the store's patience.
            Superseded: a newer attempt has begun.
        """
        self.wait()
        self._began = time.monotonic()
        request = self._progress.take_up_checkpoint_request()
        self._writing = self._thread.submit(self._write, step, content, self._began, request)

    def wait(self) -> None:
        """Wait until no checkpoint is being written.

        Raises:
            StoreUnreachable: the last checkpoint could not be written within the store's patience.
            Superseded: a newer attempt has begun.
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

    def _write(self, step: int, content: dict[str, Any], began: float, request: str) -> None:
        name = CheckpointName.of(step, self._attempt)
        with scratch_folder(self._directory) as folder:
            path = folder / "checkpoint"
            _save(content, path)
            manifest = self._upload(name, path)
        self._output.write(name.manifest_key, manifest.to_json().encode(), "application/json")
        CHECKPOINT_SECONDS.observe(time.monotonic() - began)
        self._progress.saved(manifest.in_status(), request)
        _log.info("checkpoint after step %d: %s", step, manifest.uri)
        self._prune(step)

    def _upload(self, name: CheckpointName, path: Path) -> CheckpointManifest:
        sha256 = sha256_of(path)
        self._output.upload(path, name.file_key)
        return CheckpointManifest(
            uri=f"{self._output.uri}{name.file_key}",
            key=name.file_key,
            step=name.step,
            attempt=name.attempt,
            sha256=sha256,
            bytes=path.stat().st_size,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=self._fingerprint,
            network_version=NETWORK_VERSION,
        )

    def _prune(self, newest: int) -> None:
        """Delete all checkpoints except for the last ``keep`` up to step ``newest``, and files without a manifest.

        Checkpoints of later steps were left by another training, which this one replaces, or were damaged when this
        attempt began. A file has no manifest if the attempt that uploaded it was cut off before the manifest. What a
        newer attempt of this job has written is left alone.
        """
        keys = {stored.key for stored in self._output.list(CHECKPOINTS_FOLDER)}
        names = {name for name in map(CheckpointName.parse, keys) if name and name.is_deletable_by(self._attempt)}
        complete = [name for name in names if name.manifest_key in keys and name.step <= newest]
        kept = sorted(complete, reverse=True)[: self._keep]
        for name in sorted(names.difference(kept)):
            for key in (name.manifest_key, name.file_key):
                if key in keys:
                    self._output.delete(key)


def _save(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint to a file on this node.

    Raises:
        TrainerError: the disk is full.
    """
    try:
        torch.save(content, path)
    except (OSError, RuntimeError) as error:
        # torch turns the error of the disk into one of its own that does not name it.
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or shutil.disk_usage(path.parent).free < _FULL_BYTES:
            raise TrainerError(
                f"the disk under {path.parent.parent} is full, so that no checkpoint can be written; free some on this "
                "node, or keep pods off it by pod.nodeSelector"
            ) from error
        raise
