"""Free ports and loopback networks."""

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
