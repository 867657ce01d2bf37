"""The operator's image, built by the test and started as a cluster would start it."""

import pytest
from build_image import version

from posefleet_operator.settings import Settings
from support.image_checks import check_bytecode_is_used, check_nothing_of_the_build_is_told, check_surroundings
from support.images import BuiltImage, built
from support.waiting import wait_for

#: Exit codes after SIGTERM: 0 from the operator's handler, or 128 + 15 before the handler is installed.
_ENDS = {0, 143}


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    return built("operator")


def test_the_operator_starts_on_a_read_only_root_without_privileges(image: BuiltImage) -> None:
    ended = image.run("--help")

    assert ended.exit_code == 0, ended.output
    assert ended.output.startswith("usage: posefleet-operator")


def test_an_operator_s_container_has_no_more_than_it_needs(image: BuiltImage) -> None:
    check_surroundings(image)


def test_the_operator_s_image_has_no_heavy_library_and_no_trainer(image: BuiltImage) -> None:
    program = "import importlib.util as u; print([n for n in ({}) if u.find_spec(n)])"
    names = ("torch", "numpy", "minio", "posefleet_trainer", "posefleet_lab", "pip", "kopf", "posefleet_operator")

    ended = image.python(program.format(", ".join(map(repr, names))))

    assert ended.output.strip() == "['kopf', 'posefleet_operator']"


def test_the_operator_is_in_its_image_as_bytecode(image: BuiltImage) -> None:
    check_bytecode_is_used(image, "posefleet_operator.controller")


def test_the_operator_s_image_tells_nothing_of_its_build(image: BuiltImage) -> None:
    check_nothing_of_the_build_is_told(image)


def test_the_operator_s_image_says_what_it_is(image: BuiltImage) -> None:
    labels = image.config["Labels"]

    assert labels["org.opencontainers.image.title"] == "posefleet-operator"
    assert labels["org.opencontainers.image.version"] == version()
    assert image.config["User"] == f"{Settings.run_as_user}:{Settings.run_as_user}"


def test_sigterm_ends_an_operator_that_has_hardly_begun(image: BuiltImage) -> None:
    with image.started() as container:
        wait_for("the first process", lambda: container.first_process() == "tini", seconds=20, poll_seconds=0.01)
        container.signal("TERM")
        ended = container.wait(10)

    assert ended.exit_code in _ENDS, ended.output
