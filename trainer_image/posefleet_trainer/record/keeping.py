"""What must outlive a pod, put into the store while it runs and when it ends."""

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
    from posefleet_trainer.gang.launcher import RankEnd
    from posefleet_trainer.store.base import Store


EVERY_SECONDS = 30.0
#: The end of an attempt waits no longer than this for a store that is away.
LAST_SECONDS = 6.0


class Keeper:
    """Puts documents into the store every ``every_seconds`` as far as they changed, and once more at the end.

    Args:
        documents: by their name, each as it is now; None while there is nothing to say.
        put: writes one; whatever it raises is told once and does no harm.
    """

    def __init__(
        self,
        documents: Mapping[str, Callable[[], bytes | None]],
        put: Callable[[str, bytes], None],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._documents = documents
        self._put = put
        self._every = every_seconds
        self._kept: dict[str, bytes] = {}
        self._complained = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def close(self, within_seconds: float = LAST_SECONDS) -> None:
        """Put what is left, if the store takes it in time."""
        self._ending.set()
        self._thread.join(within_seconds)

    def _run(self) -> None:
        while not self._ending.wait(self._every):
            self._keep()
        self._keep()

    def _keep(self) -> None:
        try:
            for name, document in self._documents.items():
                content = document()
                if content is not None and content != self._kept.get(name):
                    self._put(name, content)
                    self._kept[name] = content
        except Exception as error:
            if not self._complained:
                sys.stderr.write(f"logs and summary are not in the store: {error}\n")
                self._complained = True


#: Names the file in which rank 0 notes what it knows; set for rank 0.
ENV_FACTS_FILE = "POSEFLEET_FACTS_FILE"
_STDOUT = 1
_PATIENCE_SECONDS = 3.0
_LAST_LINES_SECONDS = 2.0
_TYPES = {".log": "text/plain; charset=utf-8", ".json": "application/json"}


class Keeping:
    """Passes on what the ranks print, and keeps it in the store with the summary.

    Args:
        job_file: the job whose output folder it is.
        folder: where the ranks leave what they know.
        environment: of the pod.
    """

    def __init__(self, job_file: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._job_file = job_file
        self._folder = folder
        self._environment = environment
        self._began = time.time()
        self._verdict: RankEnd | None = None
        self._log = BoundedLog()
        self._output: Store | None = None
        self._capture: Capture | None = None
        self._keeper = Keeper(self._documents(), self._put)

    def follow(self, sources: Mapping[int, int]) -> None:
        """Read what the ranks print from these file descriptors."""
        secrets = [self._environment.get(name, "").encode() for name in (ENV_SECRET_KEY, ENV_SESSION_TOKEN)]
        self._capture = Capture(self._log, _STDOUT, secrets, len(sources))
        for rank, source in sources.items():
            self._capture.follow(rank, source)

    def close(self, verdict: RankEnd) -> None:
        """The ranks have ended."""
        if self._capture is not None:
            self._capture.close(_LAST_LINES_SECONDS)
        self._verdict = verdict
        self._keeper.close()

    def _documents(self) -> dict[str, Callable[[], bytes | None]]:
        number, node = int(self._environment[ENV_NUMBER]), int(self._environment.get(ENV_NODE_RANK) or "0")
        if ENV_NODE_RANK not in self._environment:
            # Only the pods of an attempt are indexed.
            return {preparation_log_key(number): self._log_now}
        documents: dict[str, Callable[[], bytes | None]] = {
            node_log_key(number, node): self._log_now,
        }
        if node == 0:
            documents[attempt_summary_key(number)] = self._summary_now
        return documents

    def _log_now(self) -> bytes | None:
        return self._log.content() or None

    def _summary_now(self) -> bytes:
        from posefleet_trainer.record.summary import Frame, summarize

        frame = Frame(
            began=self._began,
            ended=time.time() if self._verdict is not None else None,
            number=int(self._environment[ENV_NUMBER]),
            nodes=int(self._environment.get(ENV_NODES, "1")),
            processes_per_node=int(self._environment.get(ENV_PROCESSES_PER_NODE, "1")),
        )
        return (
            summarize(self._job, frame, self._verdict, self._folder)
            .model_dump_json(by_alias=True, exclude_none=True, indent=2)
            .encode()
        )

    def _put(self, key: str, content: bytes) -> None:
        if self._output is None:
            from posefleet_trainer.store.open import open_store

            spec = self._job.spec
            self._output = open_store(spec.output.uri, spec.storage, patience_seconds=_PATIENCE_SECONDS)
        self._output.write(key, content, _TYPES[Path(key).suffix])

    @property
    def _job(self) -> PoseTrainingJob:
        from posefleet_trainer.context import read_job

        return read_job(self._job_file)
