"""The logs and termination messages of containers.

Logs have the line format of the container runtime interface: ``<time> <stream> F <text>``, or P instead of F for a line
that continues.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from ...manifests import micro_timestamp, now, parse_timestamp

_LONGEST_LINE_BYTES = 16 * 1024
_FOLLOW_SECONDS = 0.2
_TAIL_BYTES = 256 * 1024
LIMIT_BYTES = 4096
_LOG_LIMIT_BYTES = 2048
_LOG_LIMIT_LINES = 80


@dataclass(frozen=True)
class LogOptions:
    """The options of ``kubectl logs``."""

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None

    @classmethod
    def from_query(cls, query: dict[str, str]) -> "LogOptions":
        """Parse the query parameters of the kubelet's API."""
        since = parse_timestamp(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = now() - timedelta(seconds=int(query["sinceSeconds"]))
        return cls(
            follow=query.get("follow") == "true",
            tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
            since=since,
            timestamps=query.get("timestamps") == "true",
            limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        )


async def copy_stream(reader: asyncio.StreamReader, stream: str, log: BinaryIO) -> None:
    """Copy a container's ``stdout`` or ``stderr`` into its log until the stream ends."""
    pending = b""
    while chunk := await reader.read(_LONGEST_LINE_BYTES):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            _write(log, stream, line, whole=True)
        if len(pending) >= _LONGEST_LINE_BYTES:
            _write(log, stream, pending, whole=False)
            pending = b""
        log.flush()
    if pending:
        _write(log, stream, pending, whole=False)
        log.flush()


def _write(log: BinaryIO, stream: str, line: bytes, *, whole: bool) -> None:
    log.write(f"{micro_timestamp(now())} {stream} {'F' if whole else 'P'} ".encode() + line + b"\n")


def render(line: bytes, options: LogOptions) -> bytes | None:
    """Return a line of a log as ``kubectl logs`` shows it, or None if it is older than ``options.since``."""
    moment, _, rest = line.partition(b" ")
    _, _, rest = rest.partition(b" ")
    mark, _, text = rest.partition(b" ")
    if options.since and parse_timestamp(moment.decode()) < options.since:
        return None
    shown = moment + b" " + text if options.timestamps else text
    return shown + (b"\n" if mark == b"F" else b"")


def last_lines(file: Path, count: int) -> list[str]:
    """Return the last ``count`` lines of a log as the container wrote them."""
    if not file.exists():
        return []
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        lines = log.read().splitlines()[-count:]
    rendered = (render(line, LogOptions()) for line in lines)
    return [line.decode(errors="replace") for line in rendered if line is not None]


async def read_log(file: Path, options: LogOptions, ended: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the lines of a log. With ``follow``, wait for new lines until ``ended`` is set and all have been read."""
    with file.open("rb") as log:
        left = options.limit_bytes
        for line in _history(log, options):
            yield line if left is None else line[:left]
            left = None if left is None else left - len(line)
            if left is not None and left <= 0:
                return
        while options.follow:
            last_round = ended.is_set()
            for line in _new_lines(log, options):
                yield line
            if last_round:
                return
            await _wait(ended)


def _history(log: BinaryIO, options: LogOptions) -> Iterator[bytes]:
    lines = list(_new_lines(log, options))
    yield from lines if options.tail_lines is None else lines[len(lines) - min(len(lines), options.tail_lines) :]


def _new_lines(log: BinaryIO, options: LogOptions) -> Iterator[bytes]:
    while True:
        start = log.tell()
        line = log.readline()
        if not line.endswith(b"\n"):
            log.seek(start)
            return
        shown = render(line[:-1], options)
        if shown is not None:
            yield shown


async def _wait(ended: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_FOLLOW_SECONDS):
            await ended.wait()
    except TimeoutError:
        return


def termination_message(file: Path, policy: str, exit_code: int, log_lines: list[str]) -> str:
    """Return the termination message of a container.

    This is the end of ``file`` or, if it is empty, the policy is FallbackToLogsOnError and the container failed, the
    end of the log. The limits are those of a kubelet: 4096 bytes of the file; 80 lines and 2048 bytes of the log.

    """
    message = _read(file)
    if not message and policy == "FallbackToLogsOnError" and exit_code != 0:
        text = "".join(log_lines[-_LOG_LIMIT_LINES:]).encode()[-_LOG_LIMIT_BYTES:]
        message = text.decode(errors="ignore")
    return message


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, os.SEEK_END) - LIMIT_BYTES))
            return opened.read(LIMIT_BYTES).decode(errors="ignore")
    except OSError:
        return ""
