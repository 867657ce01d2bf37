"""What can be said of the images without building them."""

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

from posefleet_api.constants import TRAINER_PORT
from posefleet_operator.settings import Settings
from unit.images.dockerfile import ROOT, read_dockerfile

IMAGES = ("operator", "trainer")
DOCKERFILE = read_dockerfile()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ALLOWED = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def _environment(image: str) -> dict[str, str]:
    stages = reversed(DOCKERFILE.lineage(image))
    return {name: value for stage in stages for name, value in stage.environment().items()}


@pytest.mark.parametrize("image", IMAGES)
def test_images_run_as_the_user_that_the_operator_gives_to_pods(image: str) -> None:
    user = Settings.run_as_user

    assert DOCKERFILE.stages[image].all("USER")[-1] == f"{user}:{user}"
    assert any(f"useradd --uid {user} " in line for line in DOCKERFILE.stages["runtime"].all("RUN"))


@pytest.mark.parametrize("image", IMAGES)
def test_the_entry_point_is_the_image_s_own_command(image: str) -> None:
    entry = json.loads(DOCKERFILE.stages[image].all("ENTRYPOINT")[-1])

    assert entry == [f"posefleet-{image}"]
    assert PROJECT["project"]["scripts"][entry[0]].startswith(f"posefleet_{image}.")


@pytest.mark.parametrize("image", IMAGES)
def test_commands_start_below_an_init(image: str) -> None:
    code = " ".join(DOCKERFILE.stages[f"{image}-code"].all("RUN"))

    assert "#!/usr/bin/env -S tini -- /opt/posefleet/bin/python3" in code


def test_exposed_ports_are_those_that_are_served() -> None:
    assert DOCKERFILE.stages["operator"].all("EXPOSE") == [str(Settings.http_port)]
    assert DOCKERFILE.stages["trainer"].all("EXPOSE") == [str(TRAINER_PORT)]


@pytest.mark.parametrize("image", IMAGES)
def test_libraries_write_below_tmp_alone(image: str) -> None:
    environment = _environment(image)
    directories = {name: value for name, value in environment.items() if value.startswith("/") and name != "PATH"}

    assert directories["HOME"] == "/tmp"
    assert [name for name, value in directories.items() if PurePosixPath("/tmp") not in _upwards(value)] == []
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def _upwards(path: str) -> list[PurePosixPath]:
    return [PurePosixPath(path), *PurePosixPath(path).parents]


def test_a_trainer_asks_for_decoding_but_sees_no_gpu_until_it_is_given_one() -> None:
    environment = _environment("trainer")

    assert set(environment["NVIDIA_DRIVER_CAPABILITIES"].split(",")) == {"compute", "utility", "video"}
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert not [name for name in _environment("operator") if name.startswith("NVIDIA")]


@pytest.mark.parametrize("image", IMAGES)
def test_dependencies_are_installed_before_the_code_is_copied(image: str) -> None:
    kinds = [
        "install" if "install_locked.sh" in argument else "code"
        for keyword, argument in DOCKERFILE.stages[image].instructions
        if "install_locked.sh" in argument or (keyword == "COPY" and argument.startswith("--from="))
    ]

    assert kinds == sorted(kinds, key=["install", "code"].index)
    assert kinds[-1] == "code"


def test_everything_is_installed_from_locks_with_hashes_and_without_compilers() -> None:
    runs = [run for stage in DOCKERFILE.stages.values() for run in stage.all("RUN")]
    script = (ROOT / "scripts" / "install_locked.sh").read_text()

    assert len([run for run in runs if "install_locked.sh" in run]) == len(list((ROOT / "requirements").iterdir()))
    assert [run for run in runs if "bin/pip " in run and "--no-index" not in run] == []
    assert "--require-hashes" in script
    assert "--only-binary :all:" in script


def test_the_pip_of_the_python_images_is_removed_and_nothing_else(tmp_path: Path) -> None:
    library = tmp_path / "usr" / "local" / "lib" / "python3.11"
    pip = ("site-packages/pip/main.py", "site-packages/pip-24.0.dist-info/RECORD", "ensurepip/_bundled/pip.whl")
    for name in (
        *pip,
        "site-packages/sitecustomize.py",
        "json/decoder.py",
        "../../bin/pip3.11",
        "../../bin/python3.11",
    ):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).touch()
    steps = [shlex.split(step) for step in " ".join(DOCKERFILE.stages["runtime"].all("RUN")).split("&&")]
    removed = [pattern for step in steps if step[:2] == ["rm", "-rf"] for pattern in step[2:] if "local" in pattern]
    gone = {path for pattern in removed for path in tmp_path.glob(pattern.lstrip("/"))}

    left = {
        path.name for path in tmp_path.rglob("*") if path.is_file() and not gone.intersection([path, *path.parents])
    }
    assert left == {"sitecustomize.py", "decoder.py", "python3.11"}


def test_the_build_context_has_what_is_copied_and_nothing_else() -> None:
    copied = {source for stage in DOCKERFILE.stages.values() for source in stage.copied()}

    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in copied if not any(_covers(source, pattern) for pattern in ALLOWED)] == []
    assert [pattern for pattern in ALLOWED if not any(_covers(source, pattern) for source in copied)] == []


def _covers(source: str, pattern: str) -> bool:
    """Whether the allowed ``pattern`` lets ``source``, or something in that folder, into the build context."""
    return fnmatch(source, pattern) or any(str(parent) == source for parent in PurePosixPath(pattern).parents)


def test_the_build_context_is_an_allow_list() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert rules[-2:] == ["**/__pycache__", "**/*.pyc"]


def test_no_registry_is_named() -> None:
    files = [
        ROOT / "Dockerfile",
        ROOT / ".dockerignore",
        *(ROOT / "requirements").iterdir(),
        *(ROOT / "scripts").glob("*.*"),
    ]
    named = re.compile(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", re.IGNORECASE)

    assert {file.name: named.findall(file.read_text()) for file in files if named.search(file.read_text())} == {}
