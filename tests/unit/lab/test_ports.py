"""Free ports and loopback networks."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from posefleet_lab import ports
from posefleet_lab.ports import claim_network, free_port


def test_two_nodes_have_networks_of_their_own():
    one, two = claim_network(), claim_network()
    try:
        assert one.second_octet != two.second_octet
        given_out = [one.new_address() for _ in range(600)]
        assert len(set(given_out)) == 600
        assert not any(address.endswith((".0", ".255", ".0.1")) for address in given_out)
    finally:
        one.claim.close()
        two.claim.close()


def test_ports_are_given_out_once():
    assert len({free_port() for _ in range(50)}) == 50


def test_a_port_of_another_process_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "from posefleet_lab.ports import free_port; print(free_port(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        drawn = iter([taken, taken + 1])
        monkeypatch.setattr(ports, "_random", SimpleNamespace(randint=lambda *_: next(drawn)))
        monkeypatch.setattr(ports, "_can_bind", lambda *_: True)
        assert free_port() == taken + 1
        other.communicate(b"\n", timeout=30)
