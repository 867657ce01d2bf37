"""Free TCP ports and loopback networks, chosen so that two clusters never share one."""

import fcntl
import random
import socket
from dataclasses import dataclass
from typing import IO

from .errors import LabError
from .paths import cache_directory

# Linux does not take ports of this range for outgoing connections, so a port that is free now is still free when
# its server binds it, and when the server restarts.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_FIRST_NETWORK, _LAST_NETWORK = 16, 254
_CLAIM_PORT = 10_250
#: Does not repeat itself where a test has seeded the generator that processes share.
_random = random.SystemRandom()
#: The open files whose locks reserve the ports of this process, by port.
_claims: dict[int, IO[str]] = {}


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens.

    It is reserved for this process as long as it runs, so that two clusters that start at the same time never get the
    same one, and a process never gets the same port twice.

    Raises:
        LabError: if no port is free.
    """
    for _ in range(500):
        port = _random.randint(_FIRST_PORT, _LAST_PORT)
        if _claim(port) and _can_bind(host, port):
            return port
    raise LabError(f"no free TCP port between {_FIRST_PORT} and {_LAST_PORT} on {host}")


def _claim(port: int) -> bool:
    """Reserve a port among the processes of this user, and return whether nobody had reserved it."""
    folder = cache_directory() / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / str(port)).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _claims[port] = file
    return True


def _can_bind(host: str, port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


@dataclass
class LoopbackNetwork:
    """The network ``127.x.0.0/16`` for the pods of one node, reserved as long as the socket ``claim`` is open."""

    second_octet: int
    claim: socket.socket
    _next: int = 1

    def new_address(self) -> str:
        """Return the next address. An address is reused only after about 64,000 others."""
        self._next = self._next % 0xFDFF + 1
        if self._next % 256 in {0, 255}:
            return self.new_address()
        return f"127.{self.second_octet}.{self._next // 256}.{self._next % 256}"


def claim_network() -> LoopbackNetwork:
    """Reserve a loopback network that no other node on this machine uses, by listening on its first address.

    Raises LabError if all are in use.
    """
    for octet in range(_FIRST_NETWORK, _LAST_NETWORK + 1):
        claim = socket.socket()
        try:
            claim.bind((f"127.{octet}.0.1", _CLAIM_PORT))
            claim.listen(1)
        except OSError:
            claim.close()
            continue
        return LoopbackNetwork(octet, claim)
    raise LabError("all loopback networks 127.16.0.0/16 to 127.254.0.0/16 are taken by other lab nodes")
