"""What the operator asks rank 0 of a running attempt: its progress, and a checkpoint."""

import asyncio
import logging
import re
from typing import Final

import aiohttp

from posefleet_api.constants import TRAINER_PORT
from posefleet_api.outcomes import ProgressReport

logger = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 65_536
_CONNECT_SECONDS, _ANSWER_SECONDS, _WHOLE_SECONDS = 3.0, 3.0, 10.0
_STATUS_200 = re.compile(rb"HTTP/1\.[01] 200\b")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\b", re.IGNORECASE)
#: A trainer that has been taken over must not redirect the operator to another host.
_REDIRECTS: Final = False


class NoAnswer(Exception):
    """A connection was accepted, and no answer came. The network works, and the process behind it may hang."""


async def fetch_report(address: str) -> ProgressReport | None:
    """Return the report of the trainer at an address, or None if there is none that can be read.

    The request is written by hand, because thousands of trainers are asked, and a client of HTTP takes several times as
    much of a CPU for it.

    Raises:
        NoAnswer: if the connection was accepted and nothing came back.
    """
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            answer = await _ask(address)
        return ProgressReport.read(answer) if answer is not None else None
    except (OSError, TimeoutError, ValueError) as error:
        logger.debug("no progress from %s: %r", address, error)
        return None


async def _ask(address: str) -> bytes | None:
    """Return the body of the answer to ``GET /progress``, or None if its status is not 200."""
    async with asyncio.timeout(_CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(address, TRAINER_PORT)
    try:
        writer.write(f"GET /progress HTTP/1.0\r\nHost: {_host(address)}:{TRAINER_PORT}\r\n\r\n".encode())
        received = bytearray()
        while not _is_complete(received):
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    part = await reader.read(_MAX_ANSWER_BYTES)
            except TimeoutError as error:
                raise NoAnswer from error
            if not part:
                break
            received += part
    finally:
        writer.close()
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return body if _STATUS_200.match(head) else None


def _is_complete(received: bytearray) -> bool:
    """Return whether an answer has as many bytes as it says, or too many."""
    head, end, body = bytes(received).partition(b"\r\n\r\n")
    length = _LENGTH.search(head) if end else None
    return len(body) > _MAX_ANSWER_BYTES or (length is not None and len(body) >= int(length[1]))


async def request_checkpoint(session: aiohttp.ClientSession, address: str, request: str) -> None:
    """Ask the trainer at an address for a checkpoint.

    The trainer takes one checkpoint for each distinct request, so the same request may be sent again. Whether it was
    taken is in the trainer's progress reports, so a failure is only logged.

    Args:
        session: the connections.
        address: IP address of the pod of rank 0.
        request: what the job's author calls this request.
    """
    body = {"request": request}
    try:
        async with session.post(_url(address, "checkpoint"), json=body, allow_redirects=_REDIRECTS) as answer:
            if answer.status != 202:
                logger.debug("the trainer at %s refuses a request for a checkpoint: %d", address, answer.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        logger.debug("the trainer at %s does not answer a request for a checkpoint: %r", address, error)


def _url(address: str, path: str) -> str:
    return f"http://{_host(address)}:{TRAINER_PORT}/{path}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
