"""The cluster of both worlds: two process nodes, an object store, the CRD, and an image for each kind of trainer."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client, config

from integration.operator.stage import acting_images, install_crd
from posefleet_lab.cluster import Cluster
from posefleet_lab.object_stores.base import Credentials
from posefleet_lab.process_node.node_config import Image
from support.waiting import wait_for

TRAINER_IMAGE = "posefleet-trainer:lab"
#: What the emptyDirs of all pods may take together.
_DISK_BYTES = 400 * 2**20
_HOOKS = Path(__file__).with_name("image")


@contextmanager
def small_disk(directory: Path) -> Iterator[Path | None]:
    """A file system that a test can fill; None for users who may not mount one."""
    directory.mkdir()
    size = f"size={_DISK_BYTES}"
    mount = ["mount", "-t", "tmpfs", "-o", size, "posefleet-chaos", str(directory)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextmanager
def running_cluster(
    directory: Path, with_store: bool, report: Callable[[str], None]
) -> Iterator[tuple[Cluster, client.ApiClient]]:
    """Start the cluster, and yield it with an administrator's client."""
    begun = time.monotonic()
    trainer = Image(Path(sys.prefix), variables={"PYTHONPATH": str(_HOOKS)})
    images = {**acting_images(directory / "image"), TRAINER_IMAGE: trainer}
    store = "minio" if with_store else None
    options = {"nodes": 2, "cpus": 64, "images": images, "store": store}
    with (
        small_disk(directory / "disk") as disk,
        Cluster(directory / "cluster", name="chaos", empty_dirs=disk, **options) as cluster,
    ):
        api = config.new_client_from_config(str(cluster.kubeconfig))
        install_crd(api)
        report(f"cluster: {time.monotonic() - begun:.0f} s")
        yield cluster, api


def create_namespace(api: client.ApiClient, name: str, credentials: Credentials) -> None:
    """Create a namespace with the Secret of a store."""
    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": name}})
    keys = {"AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key}
    core.create_namespaced_secret(name, {"metadata": {"name": "store"}, "stringData": keys})
    wait_for("the default service account", lambda: core.list_namespaced_service_account(name).items)
