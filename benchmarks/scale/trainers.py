"""Answers ``GET /progress`` for rank 0 of every job, as a trainer that advances does: ``python -m scale.trainers``.

Every address has its own listener, because a pod has its own address. A line on standard output says that all listen.
"""

import argparse
import asyncio
import json
import resource
import socket
import time
from datetime import UTC, datetime

from posefleet_api.constants import TRAINER_PORT

STEPS, STEPS_PER_SECOND = 200_000, 5.0
_BACKLOG = 8
#: Addresses of a job: its number times this, plus the rank.
SLOTS = 8


def address(network: int, number: int) -> str:
    """Return the address of rank 0 of a job."""
    slot = number * SLOTS
    return f"127.{network}.{slot // 256}.{slot % 256}"


class Trainer(asyncio.Protocol):
    """One connection to the rank 0 of one job."""

    answered = 0

    def __init__(self, began: float) -> None:
        self._began = began
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request. Its path does not matter, because the operator asks for nothing but the progress."""
        self._received += data
        if b"\r\n\r\n" not in self._received:
            return
        self._received = b""
        assert self._transport is not None
        body = self._report()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        Trainer.answered += 1

    def _report(self) -> bytes:
        step = min(STEPS, int((time.monotonic() - self._began) * STEPS_PER_SECOND))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        left = (STEPS - step) / STEPS_PER_SECOND
        progress = {
            "stage": "train", "step": step, "steps": STEPS, "percent": 100 * step // STEPS,
            "loss": round(1.0 / (1 + step), 6), "framesPerSecond": 812.5, "etaSeconds": int(left),
        }  # fmt: skip
        checkpoint = {
            "step": step - step % 1500,
            "time": now,
            "uri": f"s3://lab-results/checkpoints/{step // 1500}",
            "sha256": "0" * 64,
        }
        report = {"attempt": 1, "progress": progress, "startStep": 0, "lastStepTime": now}
        return json.dumps({**report, "lastCheckpoint": checkpoint} if step >= 1500 else report).encode()


async def _serve(network: int, jobs: int, control_port: int) -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft[1], soft[1]))
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    servers = []
    for number in range(jobs):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address(network, number), TRAINER_PORT))
        servers.append(await loop.create_server(lambda: Trainer(began), sock=listener, backlog=_BACKLOG))

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(Trainer.answered).encode())
        writer.close()

    servers.append(await asyncio.start_server(count, "127.0.0.1", control_port))
    print("listening", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=int, required=True, help="second octet of the loopback network")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True, help="tells how many requests were answered")
    options = parser.parse_args()
    asyncio.run(_serve(options.network, options.jobs, options.control_port))


if __name__ == "__main__":
    main()
