"""MinIO, built from its Go module."""

import secrets
from pathlib import Path

from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin

from ..ports import free_port
from ..tools import binaries
from ..tools.build_once import Report, quiet
from .base import Credentials, ObjectStore


class MinioStore(ObjectStore):
    """A MinIO server with one data directory and a web console at ``console``."""

    vendor = "minio"

    def __init__(self, directory: Path, report: Report = quiet, address: str = "127.0.0.1") -> None:
        super().__init__(directory, address)
        self._binary = binaries.minio(report)
        self._console_port = free_port()
        self.console = f"http://127.0.0.1:{self._console_port}"

    def read_only_user(self, bucket: str) -> Credentials:
        """Create a user who can list and read ``bucket``."""
        user, policy = Credentials.generate(), f"read-{bucket}-{secrets.token_hex(3)}"
        admin = self._admin()
        admin.user_add(user.access_key, user.secret_key)
        admin.policy_add(policy, policy=_read_only(bucket))
        admin.attach_policy([policy], user=user.access_key)
        return user

    def _admin(self) -> MinioAdmin:
        provider = StaticProvider(self.access_key, self.secret_key)
        host = self.endpoint.removeprefix("http://")
        return MinioAdmin(endpoint=host, credentials=provider, secure=False)

    def _command(self) -> list[str]:
        return [
            str(self._binary),
            "server",
            "--quiet",
            f"--address={self.address}:{self.port}",
            f"--console-address=127.0.0.1:{self._console_port}",
            str(self.directory / "data"),
        ]

    def _variables(self) -> dict[str, str]:
        return {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_UPDATE": "off",
            "MINIO_CALLHOME_ENABLE": "off",
        }


def _read_only(bucket: str) -> dict[str, object]:
    statement = {
        "Effect": "Allow",
        "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
