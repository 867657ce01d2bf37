"""The configuration of a process node and the virtual environments that it uses as images."""

import json

from posefleet_lab.process_node.node_config import Image, NodeConfig


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
