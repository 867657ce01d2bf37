"""Free TCP ports and loopback networks, so that two clusters never meet."""

import random
import socket
from dataclasses import dataclass

from .errors import LabError

# Below the range from which Linux takes ports for outgoing connections: a port found free
# here is still free when its server binds it, and after the server was restarted.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_FIRST_NETWORK, _LAST_NETWORK = 16, 254
_CLAIM_PORT = 10_250
_handed_out: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens, each at most once in this process."""
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
    """One ``127.x.0.0/16`` for the pods of one node, ours as long as ``claim`` is open."""

    second_octet: int
    claim: socket.socket
    _next: int = 1

    def new_address(self) -> str:
        """Return the next address; an address comes again only after 60,000 others."""
        self._next = self._next % 0xFDFF + 1
        if self._next % 256 in {0, 255}:
            return self.new_address()
        return f"127.{self.second_octet}.{self._next // 256}.{self._next % 256}"


def claim_network() -> LoopbackNetwork:
    """Claim a loopback network that no other node on this machine uses, by listening on its first address."""
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
