"""The log: a JSON object per line, or plain text on a terminal, with job and attempt where they are known."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from posefleet_operator.cluster.objects import Key
from posefleet_operator.settings import LogFormat

_job: ContextVar[Key | None] = ContextVar("job", default=None)
_attempt: ContextVar[int | None] = ContextVar("attempt", default=None)


@contextmanager
def job_context(job: Key, attempt: int | None = None) -> Iterator[None]:
    """Add this job and attempt to every line that is logged inside."""
    job_token, attempt_token = _job.set(job), _attempt.set(attempt)
    try:
        yield
    finally:
        _job.reset(job_token)
        _attempt.reset(attempt_token)


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (job := _job.get()) is not None:
            line |= {"namespace": job[0], "job": job[1]}
        if (attempt := _attempt.get()) is not None:
            line["attempt"] = attempt
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Formats a record as a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        job, attempt = _job.get(), _attempt.get()
        where = f" {job[0]}/{job[1]}" if job is not None else ""
        where += f" attempt {attempt}" if attempt is not None else ""
        text = f"{moment} {record.levelname:<7}{where} {record.getMessage()}"
        return text if not record.exc_info else f"{text}\n{self.formatException(record.exc_info)}"


def start_logging(log_format: LogFormat, level: str, stream: TextIO = sys.stderr) -> None:
    """Write all logs to ``stream``."""
    as_text = stream.isatty() if log_format == "auto" else log_format == "text"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # kopf logs every event that it passes on, and every try of a watch. The operator logs what results from it, and
    # notices itself when the API server does not answer.
    logging.getLogger("kopf").setLevel(max(logging.ERROR, root.level))
    # kopf runs in a thread of its own, and logs each time that it does not handle signals there.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
