"""The cluster of one measurement: the lab's control plane, nodes and pods played by kwok, and what answers for pods."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from posefleet_demo.installation import ACCOUNT, operator_rights
from posefleet_demo.installation import NAMESPACE as OPERATOR_NAMESPACE
from posefleet_demo.kubectl import Kubectl
from posefleet_lab.control_plane import ControlPlane
from posefleet_lab.control_plane.credentials import kubeconfig_with_token
from posefleet_lab.kwok import Kwok
from posefleet_lab.paths import write_private
from posefleet_lab.ports import claim_network, free_port
from posefleet_lab.tools import binaries
from scale.api import until
from scale.manifests import NAMESPACE, PODS

_CRD = Path(__file__).parents[2] / "crds" / "posefleet.io_posetrainingjobs.yaml"
_STAGES = Path(__file__).with_name("stages.yaml")
_PODS_PER_NODE = 400
_TOKEN_SECONDS = 24 * 3600


class ScaleCluster:
    """A control plane, kwok, and answering trainers for ``jobs`` jobs that keep running."""

    def __init__(self, directory: Path, jobs: int, all_jobs: int) -> None:
        """``all_jobs`` counts those as well that finish."""
        self.plane = ControlPlane(directory / "control-plane", binaries.kubelab(print))
        self._directory = directory
        self._jobs = jobs
        self._network = claim_network()
        octet = self._network.second_octet
        stages = _STAGES.read_text().replace("NETWORK", str(octet))
        nodes = 2 + all_jobs * (PODS + 1) // _PODS_PER_NODE
        self._kwok = Kwok(self.plane, directory / "kwok", stages, nodes, gpus=1000, report=print)
        self._control_port = free_port()
        self._trainers: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self.plane.start()
        self._kwok.start()
        kubectl = Kubectl(binaries.kubectl(), self.plane.kubeconfig, "default")
        kubectl.apply_file(_CRD)
        kubectl.apply_everywhere(*operator_rights())
        kubectl("create", "namespace", NAMESPACE)
        kubectl("wait", "--for=condition=Established", "crd/posetrainingjobs.posefleet.io", "--timeout=30s")
        command = [
            *(sys.executable, "-m", "scale.trainers", "--network", str(self._network.second_octet)),
            *("--jobs", str(self._jobs), "--control-port", str(self._control_port)),
        ]
        self._trainers = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._trainers.stdout is not None
        if self._trainers.stdout.readline() != b"listening\n":
            raise RuntimeError("the program that answers for trainers did not start")

    def stop(self) -> None:
        """Stop all programs."""
        if self._trainers is not None:
            self._trainers.kill()
            self._trainers.wait()
        self._kwok.stop()
        self.plane.stop()
        self._network.claim.close()

    async def operator_kubeconfig(self) -> Path:
        """Return a kubeconfig with the operator's own rights."""
        account = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/serviceaccounts/{ACCOUNT}"
        await until("the operator's service account", lambda: self.plane.get(account) is not None, 30)
        request = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }  # fmt: skip
        token = (await asyncio.to_thread(self.plane.post, f"{account}/token", request))["status"]["token"]
        text = kubeconfig_with_token(self.plane.server, self.plane.authority.certificate, ACCOUNT, token)
        return write_private(self._directory / "operator.kubeconfig", text)

    def answered(self) -> int:
        """Return how many times the operator has been told the progress of a job."""
        with socket.create_connection(("127.0.0.1", self._control_port), timeout=10) as connection:
            return int(connection.recv(32))
