"""Builds, the cache directory, certificates, kubeconfigs, images, quantities, the command line."""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from posefleet_lab.component import Component
from posefleet_lab.control_plane.credentials import CertificateAuthority, kubeconfig_with_token
from posefleet_lab.errors import ComponentError, LabError
from posefleet_lab.main import main, parse_images
from posefleet_lab.manifests import in_units_of, parse_quantity, to_bytes
from posefleet_lab.paths import cache_directory
from posefleet_lab.process_node.node_config import Image, NodeConfig
from posefleet_lab.process_node.sandbox.environment import ConfigError, user_and_group
from posefleet_lab.processes import ProcessIdentity, stop_processes
from posefleet_lab.teardown import ClusterState
from posefleet_lab.tools.build_once import build_once
from posefleet_lab.tools.golang import parse_version, required_version


def test_the_cache_directory_can_be_chosen():
    assert cache_directory({"POSEFLEET_CACHE": "/c", "XDG_CACHE_HOME": "/x"}) == Path("/c")
    assert cache_directory({"XDG_CACHE_HOME": "/x"}) == Path("/x/posefleet")
    assert cache_directory({}) == Path.home() / ".cache" / "posefleet"


def test_two_who_ask_at_once_build_once(tmp_path):
    builds = []
    begun = threading.Event()

    def build(directory: Path) -> None:
        begun.set()
        builds.append(directory)
        (directory / "tool").write_text("x")

    threads = [threading.Thread(target=build_once, args=(tmp_path / "tool-1", build, "tool")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert (tmp_path / "tool-1" / "tool").read_text() == "x"


def test_a_failed_build_leaves_nothing(tmp_path):
    def build(directory: Path) -> None:
        (directory / "half").touch()
        raise LabError("no")

    with pytest.raises(LabError):
        build_once(tmp_path / "tool-1", build, "tool")
    assert [entry.name for entry in tmp_path.iterdir()] == [".tool-1.lock"]


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.25rc1 x", (1, 25)), ("", (0, 0))],
)
def test_go_versions(text, version):
    assert parse_version(text) == version


def test_the_pinned_versions_are_read_from_the_go_modules():
    assert required_version("kubelab", "k8s.io/kubernetes").startswith("v1.34.")
    assert required_version("minio-server", "github.com/minio/minio").startswith("v0.0.0-")


def test_certificates_verify_against_their_authority(tmp_path):
    authority = CertificateAuthority()
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    authority.issue("server", hosts=["127.0.0.1", "localhost"]).write(tmp_path, "server")
    stranger = CertificateAuthority()
    stranger.issue("stranger", hosts=["127.0.0.1"]).write(tmp_path, "stranger")
    assert handshake(tmp_path, "server")
    assert not handshake(tmp_path, "stranger")
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0


def handshake(directory: Path, name: str) -> bool:
    """Tell whether a client that trusts ca.crt accepts the server ``name`` at 127.0.0.1."""
    client_context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(directory / f"{name}.crt", directory / f"{name}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return client.version() is not None


def test_a_kubeconfig_verifies_the_server():
    text = kubeconfig_with_token("https://127.0.0.1:1", b"authority", "account", "secret", "lab")
    document = yaml.safe_load(text)
    cluster = document["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"authority"
    assert "insecure-skip-tls-verify" not in text
    assert document["contexts"][0]["context"]["namespace"] == "lab"


def test_an_image_puts_its_programs_first_and_knows_what_it_needs(tmp_path):
    site = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (tmp_path / "source").mkdir()
    (site / "editable.pth").write_text(f"{tmp_path / 'source'}\nimport something\n/does/not/exist\n")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /opt/python/bin\n")
    image = Image(tmp_path / "venv")
    assert image.env()["PATH"].startswith(f"{tmp_path}/venv/bin:")
    assert image.kept_paths() == [f"{tmp_path}/venv", "/opt/python", f"{tmp_path}/source"]
    assert Image.from_data(json.loads(json.dumps(image.to_data()))) == image


def test_a_node_configuration_survives_its_file(tmp_path):
    config = NodeConfig(
        "n", "k", tmp_path, 1, "c", "k", "a", cpus=2, memory_bytes=3, gpus=4, images={"i": Image(tmp_path, ("run",))}
    )
    config.write(tmp_path / "node.json")
    assert NodeConfig.read(tmp_path / "node.json") == config
    assert config.allocatable()["nvidia.com/gpu"] == "4"


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("500m", 0.5), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), ("3M", 3e6), ("1e3", 1000)]
)
def test_quantities(text, number):
    assert float(parse_quantity(text)) == number


def test_quantities_round_up():
    assert in_units_of("1500m", "1") == 2
    assert to_bytes("1.5") == 2
    with pytest.raises(ValueError, match="no Kubernetes quantity"):
        parse_quantity("many")


@pytest.mark.parametrize(
    ("pod", "container", "expected"),
    [
        ({}, {}, (65532, 65532)),
        ({"runAsUser": 5}, {}, (5, 5)),
        ({"runAsUser": 5, "runAsGroup": 6}, {"runAsUser": 7}, (7, 6)),
        ({"runAsNonRoot": True}, {}, (65532, 65532)),
        ({}, {"runAsUser": 0}, (0, 0)),
    ],
)
def test_users_of_containers(pod, container, expected):
    manifest = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"securityContext": pod}}
    assert user_and_group(manifest, {"name": "c", "securityContext": container}, Image(Path("/v"))) == expected


def test_a_root_image_is_refused_where_non_root_is_asked_for():
    manifest = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"securityContext": {"runAsNonRoot": True}}}
    with pytest.raises(ConfigError, match="image will run as root"):
        user_and_group(manifest, {"name": "c"}, Image(Path("/v"), user=0))


def test_a_component_that_ends_shows_its_log(tmp_path):
    component = Component("broken", ["sh", "-c", "echo the reason; exit 3"], tmp_path)
    component.start()
    with pytest.raises(ComponentError, match=r"(?s)broken: ended with exit code 3 before ready.*the reason"):
        component.wait_until(lambda: False, "ready")


def test_a_component_that_has_ended_is_not_taken_for_one_that_runs(tmp_path):
    component = Component("broken", ["sh", "-c", "read line; echo the reason; exit 3"], tmp_path)
    component.start()
    with pytest.raises(ComponentError, match=r"(?s)broken: ended with exit code 3\..*the reason"):
        component.wait()
    with pytest.raises(ComponentError, match="the reason"):
        component.require_alive()


def test_a_component_that_runs_is_alive(tmp_path):
    component = Component("fine", ["sleep", "60"], tmp_path)
    component.start()
    component.require_alive()
    component.stop()


def test_a_stubborn_component_is_killed(tmp_path):
    component = Component("stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], tmp_path)
    component.start()
    component.wait_until(lambda: "up" in component.log.read_text(), "up")
    component.stop(grace_seconds=0.2)
    assert not component.alive()


def test_a_process_is_known_by_more_than_its_pid(tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    mine = ProcessIdentity.of(process.pid)
    impostor = ProcessIdentity(process.pid, mine.start_ticks + 1)
    impostor.signal(signal.SIGKILL)
    assert mine.alive()
    stop_processes([mine])
    process.wait()
    assert not mine.alive()


def test_the_state_file_is_private_and_finds_the_processes(tmp_path):
    ProcessIdentity.of(os.getpid()).write(tmp_path / "me.pid")
    files = {"me": str(tmp_path / "me.pid"), "never": str(tmp_path / "never.pid")}
    ClusterState("lab", "/k", files, {"AWS_ENDPOINT_URL": "http://x"}).write(tmp_path)
    state = ClusterState.read(tmp_path)
    assert state.running() == {"me": True, "never": False}
    assert (tmp_path / "cluster.json").stat().st_mode & 0o077 == 0


def test_commands_say_when_there_is_no_cluster(tmp_path, capsys):
    assert main(["env", "--directory", str(tmp_path)]) == 1
    assert "is not up; start it with" in capsys.readouterr().err
    assert main(["down", "--directory", str(tmp_path)]) == 0


def test_images_are_given_by_name_and_directory():
    assert parse_images([f"trainer:lab={sys.prefix}"]) == {"trainer:lab": Path(sys.prefix)}
    with pytest.raises(LabError, match="expected NAME=VENV"):
        parse_images(["trainer:lab"])
