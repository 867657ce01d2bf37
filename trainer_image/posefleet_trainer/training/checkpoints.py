"""What lies beside a checkpoint in the store and says whether it is whole."""

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

_MANIFEST_KEY = re.compile(rf"{CHECKPOINTS_FOLDER}step-(\d{{9}})\.json")


class CheckpointManifest(ApiModel):
    """Written after the checkpoint's file, so that whoever finds it finds a whole file."""

    uri: str
    key: str
    """Inside the output folder."""
    step: Annotated[int, Field(ge=0)]
    """Optimizer steps that are in it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file's bytes."""
    bytes: Annotated[int, Field(ge=1)]
    time: str
    """When the file was complete in the store."""
    fingerprint: str
    """Of the training that it belongs to (``training_fingerprint``)."""


def checkpoint_key(step: int) -> str:
    """Where the checkpoint after ``step`` steps lies."""
    return f"{CHECKPOINTS_FOLDER}step-{step:09d}.ckpt"


def manifest_key(step: int) -> str:
    """Where its manifest lies."""
    return f"{CHECKPOINTS_FOLDER}step-{step:09d}.json"


def step_of_manifest(key: str) -> int | None:
    """The step of a manifest's key; None for other keys."""
    match = _MANIFEST_KEY.fullmatch(key)
    return int(match.group(1)) if match else None


def training_fingerprint(spec: Spec, prepared: Prepared) -> str:
    """SHA-256 of all that the trained weights are a function of, the number of ranks excepted.

    Of ``checkpoint.resumeFrom`` the URI counts: the file may go while the job that began with it goes on.
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
                f"a checkpoint is on its way to {self._output.uri}{CHECKPOINTS_FOLDER} for more than "
                f"{_SLOW_SECONDS:.0f} s: the store is slow or away; training goes on and the upload is tried again"
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
        """Delete all but the newest ``keep``; those of later steps belong to a training that this one replaced."""
        listed = [step_of_manifest(stored.key) for stored in self._output.list(CHECKPOINTS_FOLDER)]
        steps = [step for step in listed if step is not None]
        own = sorted((step for step in steps if step <= newest), reverse=True)[: self._keep]
        for step in steps:
            if step not in own:
                self._output.delete(manifest_key(step))
                self._output.delete(checkpoint_key(step))
