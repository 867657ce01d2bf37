"""A job of one epoch with the trainer's real image, CUDA included, on the node: ``make e2e-image``."""

import json
import os
from collections.abc import Iterator

import pytest

from posefleet_lab.cluster import Cluster
from support.images import built
from support.installation import LAB, RESULTS, install, open_lab, the_example
from support.jobs import Jobs

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("POSEFLEET_TRAINER_IMAGE"),
        reason="5 GB of CUDA: `make e2e-image` builds the trainer's image",
    ),
    pytest.mark.timeout(2400),
]


@pytest.fixture(scope="module")
def trainer(cluster: Cluster) -> str:
    """The trainer's image, on the node."""
    image = built("trainer").name
    cluster.container_node.load_image(image)
    return image


@pytest.fixture(scope="module")
def jobs(cluster: Cluster, trainer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """A namespace for jobs on a cluster where the chart has installed the operator."""
    operator = built("operator").name
    cluster.container_node.load_image(operator)
    opened = open_lab(cluster, tmp_path_factory.mktemp("animal"))
    release = install(cluster, operator, trainer, tmp_path_factory.mktemp("values") / "values.yaml")
    yield opened
    release.uninstall()


def test_a_job_of_one_epoch_succeeds(jobs: Jobs, cluster: Cluster, trainer: str) -> None:
    name = jobs.apply(the_example(epochs=1))

    status = jobs.succeed(name, 600)

    assert [attempt["outcome"] for attempt in status["attempts"]] == ["Succeeded"]
    pods = json.loads(jobs.kubectl("get", "pods", "-n", LAB, "-o", "json"))["items"]
    used = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert used <= {trainer}
    names = {item.object_name for item in cluster.store.client().list_objects(RESULTS, "demo/", recursive=True)}
    assert {"demo/model/model.json", "demo/report/index.html"} <= names
    assert any(name.startswith("demo/predictions/") for name in names)
    assert any(name.endswith(".mp4") for name in names)
