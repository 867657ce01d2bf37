"""Free TCP ports and loopback networks, chosen so that two clusters never share one."""

import random
import socket
from dataclasses import dataclass

from .errors import LabError

# Linux does not take ports of this range for outgoing connections, so a port that is free now is still free when
# its server binds it, and when the server restarts.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_FIRST_NETWORK, _LAST_NETWORK = 16, 254
_CLAIM_PORT = 10_250
_handed_out: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens. A process never gets the same port twice. Raises LabError."""
    for _ in range(500):
        port = random.randint(_FIRST_PORT, _LAST_PORT)  # noqa: S311
        if port not in _handed_out and _can_bind(host, port):
            _handed_out.add(port)
            return port
    raise LabError(f"no free TCP port between {_FIRST_PORT} and {_LAST_PORT} on {host}")


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
