"""What the operator asks rank 0 of a running attempt: its progress, and a checkpoint."""

import logging
from typing import Final

import aiohttp
from pydantic import ValidationError

from posefleet_api.constants import TRAINER_PORT
from posefleet_api.outcomes import ProgressReport

logger = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 65_536
#: A trainer that has been taken over must not redirect the operator to another host.
_REDIRECTS: Final = False


class NoAnswer(Exception):
    """A connection was accepted, and no answer came. The network works, and the process behind it may hang."""


async def fetch_report(session: aiohttp.ClientSession, address: str) -> ProgressReport | None:
    """Return the report of the trainer at an address, or None if there is none that can be read.

    Raises:
        NoAnswer: if the connection was accepted and nothing came back.
    """
    try:
        async with session.get(_url(address, "progress"), allow_redirects=_REDIRECTS) as answer:
            return ProgressReport.read(await _body(answer)) if answer.status == 200 else None
    except aiohttp.SocketTimeoutError as error:
        raise NoAnswer from error
    except (aiohttp.ClientError, OSError, TimeoutError, ValidationError) as error:
        logger.debug("no progress from %s: %r", address, error)
        return None


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
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{TRAINER_PORT}/{path}"


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer. A body that is too long is cut, so that it cannot be parsed."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            break
    return bytes(body)
