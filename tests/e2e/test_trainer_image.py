"""The trainer's real image, CUDA included, built and started as a cluster would start it: ``make e2e-image``."""

import json
import os
from pathlib import Path

import pytest
from build_image import version

from posefleet_api.outcomes import ExitCode
from support.image_checks import check_bytecode_is_used, check_nothing_of_the_build_is_told, check_surroundings
from support.images import BuiltImage, Container, built
from support.waiting import wait_for

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("POSEFLEET_TRAINER_IMAGE"),
        reason="5 GB of CUDA: `make e2e-image` builds the trainer's image",
    ),
    pytest.mark.timeout(2400),
]

_IMPORTS = """
import json, av, cv2, nvidia.dali, timm, torch, torchvision, pytorch_lightning
import posefleet_trainer.training.train, posefleet_trainer.report.report, posefleet_trainer.prediction.predict
print(json.dumps({"cuda": torch.version.cuda, "h264": "h264" in av.codecs_available}))
"""

_DALI = """
import numpy as np
from nvidia.dali import fn, pipeline_def
@pipeline_def(batch_size=2, num_threads=1, device_id=None)
def small():
    return fn.resize(fn.random.uniform(range=(0, 255), shape=(8, 8, 3)), size=(4, 4))
print(np.asarray(small().run()[0].as_array()).shape)
"""

_JOB = {
    "apiVersion": "posefleet.io/v1alpha1",
    "kind": "PoseTrainingJob",
    "metadata": {"name": "waits", "namespace": "lab"},
    "spec": {
        "dataset": {"uri": "s3://data/project/"},
        "storage": {"endpoint": "http://127.0.0.1:9", "credentialsSecretRef": {"name": "lab-s3"}},
        "output": {"uri": "s3://results/waits/"},
    },
}


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    return built("trainer")


def test_the_trainer_has_what_training_imports(image: BuiltImage) -> None:
    ended = image.python(_IMPORTS)

    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.output.splitlines()[-1])
    assert found["h264"]
    assert found["cuda"].startswith("13.")


def test_dali_augments_without_a_gpu_on_a_read_only_root(image: BuiltImage) -> None:
    ended = image.python(_DALI)

    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines()[-1] == "(2, 4, 4, 3)"


def test_a_trainer_s_container_has_no_more_than_it_needs(image: BuiltImage) -> None:
    check_surroundings(image)


def test_the_trainer_is_in_its_image_as_bytecode(image: BuiltImage) -> None:
    check_bytecode_is_used(image, "posefleet_trainer.training.train")


def test_the_trainer_s_image_tells_nothing_of_its_build(image: BuiltImage) -> None:
    check_nothing_of_the_build_is_told(image)
    assert image.config["Labels"]["org.opencontainers.image.version"] == version()


def test_the_operator_s_code_is_not_in_the_trainer_s_image(image: BuiltImage) -> None:
    program = (
        "import importlib.util as u; print([n for n in ('kopf', 'kubernetes', 'posefleet_operator') if u.find_spec(n)])"
    )

    assert image.python(program).output.strip() == "[]"


def _ranks(pod: Container) -> list[str]:
    return [line for line in pod.processes() if "-m posefleet_trainer" in line]


def test_sigterm_reaches_every_rank(image: BuiltImage, tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text(json.dumps(_JOB))
    tmp_path.chmod(0o755)
    environment = {
        "POSEFLEET_PROCESSES_PER_NODE": "2",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }

    with image.started("/etc/posefleet/job.json", environment=environment, mounts={"/etc/posefleet": tmp_path}) as pod:
        wait_for("two ranks", lambda: len(_ranks(pod)) == 2, poll_seconds=0.5, explain=pod.output)
        assert pod.first_process() == "tini"
        pod.signal("TERM")
        ended = pod.wait(60)

    assert ended.exit_code == ExitCode.PREEMPTED, ended.output
