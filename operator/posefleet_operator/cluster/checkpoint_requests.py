"""Requests for a checkpoint, which the operator sends to rank 0 of a running attempt."""

import logging

import aiohttp

from posefleet_api.constants import TRAINER_PORT

logger = logging.getLogger(__name__)


async def request_checkpoint(session: aiohttp.ClientSession, address: str, request: str) -> None:
    """Ask the trainer at an address for a checkpoint.

    The trainer takes one checkpoint for each distinct request, so the same request may be sent again. Whether it was
    taken is in the trainer's progress reports, so a failure is only logged.

    Args:
        session: the connections.
        address: IP address of the pod of rank 0.
        request: what the job's author calls this request.
    """
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{TRAINER_PORT}/checkpoint"
    try:
        # A trainer that has been taken over must not redirect the operator to another host.
        async with session.post(url, json={"request": request}, allow_redirects=False) as answer:
            if answer.status != 202:
                logger.debug("the trainer at %s refuses a request for a checkpoint: %d", address, answer.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        logger.debug("the trainer at %s does not answer a request for a checkpoint: %r", address, error)
