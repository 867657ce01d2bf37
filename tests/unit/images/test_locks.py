"""The locks of the images are parts of requirements.lock."""

import re
import tomllib
from collections import defaultdict

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from unit.images.dockerfile import ROOT

LOCKS = ("build", "operator", "cuda", "trainer")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


def _locked(name: str) -> dict[str, set[str]]:
    """The versions of each package, several where they depend on the Python version."""
    versions: dict[str, set[str]] = defaultdict(set)
    for found in re.finditer(r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text()):
        versions[found[1]].add(found[2])
    return dict(versions)


def _names(requirements: list[str]) -> set[str]:
    names = {canonicalize_name(Requirement(text).name) for text in requirements}
    return {str(name) for name in names if name != "posefleet"}


@pytest.mark.parametrize("lock", LOCKS)
def test_an_image_has_the_versions_that_were_tested(lock: str) -> None:
    tested = _locked("requirements.lock")
    image = _locked(f"requirements/{lock}.lock")

    assert image
    assert {name: versions for name, versions in image.items() if not versions <= tested.get(name, set())} == {}


@pytest.mark.parametrize("extra", ["operator", "cuda", "trainer"])
def test_an_image_has_everything_that_its_extra_names(extra: str) -> None:
    wanted = _names([*PROJECT["project"]["dependencies"], *EXTRAS[extra]])

    assert wanted <= _locked(f"requirements/{extra}.lock").keys()


def test_the_layer_of_cuda_is_a_part_of_the_trainer() -> None:
    trainer = _locked("requirements/trainer.lock")

    assert {
        name: versions for name, versions in _locked("requirements/cuda.lock").items() if trainer[name] != versions
    } == {}


def test_the_operator_stays_free_of_heavy_libraries() -> None:
    assert _locked("requirements/operator.lock").keys().isdisjoint({"torch", "numpy", "minio", "av", "pillow"})


def test_the_images_build_with_the_project_s_own_backend() -> None:
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    blocks = re.split(r"(?m)^(?=[a-z0-9-]+==)", text)[1:]

    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
