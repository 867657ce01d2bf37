"""Parts of the container node that need no root: its network, what it changes, and its record on the machine."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from posefleet_lab.cluster import Cluster
from posefleet_lab.container_node import footprint, network
from posefleet_lab.container_node.kernel import remove_tree, restore_sysctls, saved_sysctls
from posefleet_lab.container_node.network import PodNetwork, free_network
from posefleet_lab.container_node.services import Port, service_with_endpoints
from posefleet_lab.errors import LabError, StateError

NETWORK = PodNetwork("posefleet0", IPv4Network("10.244.3.0/24"))


def test_a_subnet_in_use_is_left_alone(monkeypatch):
    used = [IPv4Network("10.244.0.0/24"), IPv4Network("10.244.1.128/25")]
    monkeypatch.setattr("posefleet_lab.container_node.network._routed", lambda: used)
    assert (free_network().subnet, free_network().gateway) == (IPv4Network("10.244.2.0/24"), "10.244.2.1")
    monkeypatch.setattr("posefleet_lab.container_node.network._routed", lambda: [IPv4Network("10.0.0.0/8")])
    with pytest.raises(StateError, match="in use"):
        free_network()


def test_only_rules_of_the_node_are_removed(monkeypatch):
    listing = [
        "-P FORWARD DROP",
        "-N DOCKER",
        "-N KUBE-FORWARD",
        "-A FORWARD -i docker0 -j DOCKER",
        '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
        "-A FORWARD -i posefleet0 -j ACCEPT",
        "-A FORWARD -i docker0 -j ACCEPT",
        "-A KUBE-FORWARD -j KUBE-SEP",
    ]
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        network, "_rules", lambda program, table: listing if (program, table) == ("iptables", "filter") else []
    )
    monkeypatch.setattr(network, "run", lambda *argv: asked.append(argv[4:]))
    network.remove_packet_filter_rules("posefleet0")
    assert asked == [
        ("-D", "FORWARD", "-m", "comment", "--comment", "kubernetes forwarding rules", "-j", "KUBE-FORWARD"),
        ("-D", "FORWARD", "-i", "posefleet0", "-j", "ACCEPT"),
        ("-F", "KUBE-FORWARD"),
        ("-X", "KUBE-FORWARD"),
    ]


def test_kernel_settings_are_put_back(tmp_path):
    setting = tmp_path / "net/ipv4/ip_forward"
    setting.parent.mkdir(parents=True)
    setting.write_text("0\n")
    saved = saved_sysctls(tmp_path)
    setting.write_text("1\n")
    restore_sysctls(saved, tmp_path)
    assert (saved, setting.read_text().strip()) == ({"net/ipv4/ip_forward": "0"}, "0")


def test_a_directory_with_a_mount_is_never_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr("posefleet_lab.container_node.kernel.mounted_below", lambda place: [str(place / "data")])
    with pytest.raises(LabError, match=r"contains the mounts .*data"):
        remove_tree(tmp_path)
    assert tmp_path.exists()


def test_a_machine_is_taken_for_one_cluster_only(tmp_path, monkeypatch):
    monkeypatch.setattr(footprint, "RUN_DIRECTORY", tmp_path / "run")
    monkeypatch.setattr(network, "has_proxy_rules", lambda: False)
    mine = footprint.Footprint(
        "mine", str(tmp_path / "mine"), str(tmp_path / "mine/node"), "posefleet0", "10.244.0.0/24", []
    )
    footprint.claim(mine)
    assert footprint.has_container_node(tmp_path / "mine")
    assert not footprint.has_container_node(tmp_path / "other")
    with pytest.raises(StateError, match=f"'mine' runs a container node already.*down --directory {tmp_path}/mine"):
        footprint.claim(mine)
    (tmp_path / "run" / "container-node.json").unlink()
    monkeypatch.setattr(network, "has_proxy_rules", lambda: True)
    with pytest.raises(StateError, match="it is a Kubernetes node already"):
        footprint.claim(mine)


def test_what_another_cluster_has_taken_meanwhile_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(footprint, "RUN_DIRECTORY", tmp_path / "run")
    monkeypatch.setattr(footprint, "has_container_node", lambda _: True)
    monkeypatch.setattr(network, "has_proxy_rules", lambda: False)
    other = footprint.Footprint("other", str(tmp_path / "other"), str(tmp_path / "other/node"), "b", "10.1.0.0/24", [])
    footprint.claim(other)
    monkeypatch.setattr(footprint.Footprint, "remove", lambda _: pytest.fail("it is another's"))
    footprint.remove_footprint(tmp_path / "mine")
    assert (tmp_path / "run" / "container-node.json").exists()


def test_options_of_process_nodes_are_refused_for_a_container_node(tmp_path):
    with pytest.raises(LabError, match="image load"):
        Cluster(tmp_path, node="container", images={"trainer:lab": Path("/venv")})


def test_addresses_are_kept_in_the_nodes_own_directory():
    plugin = NETWORK.cni_configuration(Path("/d"))["plugins"][0]
    assert plugin["ipam"]["dataDir"] == "/d"
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24", "gateway": "10.244.3.1"}]]


def test_a_service_of_this_machine_has_endpoints_of_its_own():
    (path, service), (_, piece) = service_with_endpoints("minio", "minio", NETWORK.gateway, [Port("http", 9000, 31411)])
    assert path == "/api/v1/namespaces/minio/services/minio"
    assert "selector" not in service["spec"]
    assert piece["metadata"]["labels"] == {"kubernetes.io/service-name": "minio"}
    assert (piece["endpoints"][0]["addresses"], piece["ports"][0]["port"]) == (["10.244.3.1"], 31411)
