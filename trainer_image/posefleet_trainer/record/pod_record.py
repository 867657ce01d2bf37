"""What outlives a pod: its launcher puts the ranks' logs and the attempt's summary into the store.

The launcher imports this module before it starts the ranks, so what takes long to import is imported in the thread
that writes to the store.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from posefleet_api.constants import (
    ENV_NODE_RANK,
    ENV_NODES,
    ENV_NUMBER,
    ENV_PROCESSES_PER_NODE,
    ENV_SECRET_KEY,
    ENV_SESSION_TOKEN,
)
from posefleet_trainer.output_folder import attempt_summary_key, node_log_key, preparation_log_key
from posefleet_trainer.record.logs import BoundedLog, Capture

if TYPE_CHECKING:
    from posefleet_api.job import PoseTrainingJob
    from posefleet_api.outcomes import TerminationMessage
    from posefleet_trainer.store.base import Store

#: Names the file in which rank 0 notes what it knows of its attempt; set for rank 0 alone.
ENV_FACTS_FILE = "POSEFLEET_FACTS_FILE"
#: That file, in the folder that the ranks of a node share with their launcher.
FACTS_FILE = "facts.json"
UPLOAD_SECONDS = 30.0
#: The end of a pod waits no longer than this for a store that does not answer.
LAST_UPLOAD_SECONDS = 6.0
_STDOUT = 1
_PATIENCE_SECONDS = 3.0
_LAST_LINES_SECONDS = 2.0
_CONTENT_TYPES = {".log": "text/plain; charset=utf-8", ".json": "application/json"}

Document = Callable[[], bytes | None]
"""Returns the present content of a document, or None while there is nothing to write."""


class PodRecord:
    """Shows what the ranks print, and keeps it in the job's output folder together with the attempt's summary.

    Args:
        read_job: returns the job, whose output folder is written to. Called in a thread, once for each upload.
        folder: where the ranks leave their facts and metrics.
        environment: of the pod.
    """

    def __init__(self, read_job: Callable[[], PoseTrainingJob], folder: Path, environment: Mapping[str, str]) -> None:
        self._read_job = read_job
        self._folder = folder
        self._environment = environment
        self._began = time.time()
        self._end: tuple[float, int, TerminationMessage] | None = None
        self._log = BoundedLog()
        self._output: Store | None = None
        self._capture: Capture | None = None
        self._upload = PeriodicUpload(self._documents(), self._put)

    def follow(self, sources: Mapping[int, int]) -> None:
        """Read what the ranks print. ``sources`` maps each rank to the file descriptor of its output."""
        secrets = [self._environment.get(name, "").encode() for name in (ENV_SECRET_KEY, ENV_SESSION_TOKEN)]
        self._capture = Capture(self._log, _STDOUT, secrets, len(sources))
        for rank, source in sources.items():
            self._capture.follow(rank, source)

    def upload_now(self) -> None:
        """Write the log and the summary now, from the thread that writes them regularly."""
        self._upload.now()

    def close(self, exit_code: int, message: TerminationMessage) -> None:
        """Write the log and the summary for the last time; the ranks have ended with this exit code and message."""
        if self._capture is not None:
            self._capture.close(_LAST_LINES_SECONDS)
        self._end = (time.time(), exit_code, message)
        self._upload.close()

    def _documents(self) -> dict[str, Document]:
        number, node = int(self._environment[ENV_NUMBER]), int(self._environment.get(ENV_NODE_RANK) or "0")
        if ENV_NODE_RANK not in self._environment:
            # Pods of an attempt have an index; the pod that prepares has none.
            return {preparation_log_key(number): self._log_now}
        documents: dict[str, Document] = {node_log_key(number, node): self._log_now}
        if node == 0:
            documents[attempt_summary_key(number)] = self._summary_now
        return documents

    def _log_now(self) -> bytes | None:
        return self._log.content() or None

    def _summary_now(self) -> bytes:
        from posefleet_trainer.record.summary import AttemptEnd, AttemptStart, summarize

        start = AttemptStart(
            seconds=self._began,
            number=int(self._environment[ENV_NUMBER]),
            nodes=int(self._environment.get(ENV_NODES, "1")),
            processes_per_node=int(self._environment.get(ENV_PROCESSES_PER_NODE, "1")),
        )
        end = AttemptEnd(*self._end) if self._end is not None else None
        summary = summarize(self._read_job(), start, end, self._folder / FACTS_FILE, self._folder)
        return summary.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode()

    def _put(self, key: str, content: bytes) -> None:
        if self._output is None:
            from posefleet_trainer.store.open import open_store

            spec = self._read_job().spec
            self._output = open_store(spec.output.uri, spec.storage, patience_seconds=_PATIENCE_SECONDS)
        self._output.write(key, content, _CONTENT_TYPES[Path(key).suffix])


class PeriodicUpload:
    """Writes documents to the store from a thread: every ``every_seconds`` those that have changed, and at the end.

    Args:
        documents: by key.
        put: writes one document. The first exception that it raises is printed, none ends the thread.
        every_seconds: the interval.
    """

    def __init__(
        self,
        documents: Mapping[str, Document],
        put: Callable[[str, bytes], None],
        every_seconds: float = UPLOAD_SECONDS,
    ) -> None:
        self._documents = documents
        self._put = put
        self._every = every_seconds
        self._written: dict[str, bytes] = {}
        self._complained = False
        self._ending = threading.Event()
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    def now(self) -> None:
        """Write what has changed as soon as the thread is free, and do not wait for it."""
        self._due.set()

    def close(self, within_seconds: float = LAST_UPLOAD_SECONDS) -> None:
        """Write what has changed for the last time, and wait for that at most ``within_seconds``."""
        self._ending.set()
        self._due.set()
        self._thread.join(within_seconds)

    def _run(self) -> None:
        ending = False
        while not ending:
            self._due.wait(self._every)
            self._due.clear()
            ending = self._ending.is_set()
            self._upload()

    def _upload(self) -> None:
        try:
            for key, document in self._documents.items():
                content = document()
                if content is not None and content != self._written.get(key):
                    self._put(key, content)
                    self._written[key] = content
        except Exception as error:
            if not self._complained:
                sys.stderr.write(f"logs and summary are not in the store: {error}\n")
                self._complained = True
