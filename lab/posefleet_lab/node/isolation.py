"""Whether containers can have namespaces of their own on this machine."""

import tempfile
from pathlib import Path

from .launcher.spec import LaunchSpec, Mount
from .process import ContainerProcess, StartError

_MOUNT_POINT = "/etc/posefleet-lab-probe"


async def can_isolate() -> bool:
    """Start a program with a root file system of its own, and see whether it sees it."""
    with tempfile.TemporaryDirectory(prefix="posefleet-lab-") as directory:
        spec = _probe(Path(directory))
        try:
            process = await ContainerProcess.start(spec, Path(directory, "spec.json"), Path(directory, "log"))
        except StartError:
            return False
        return await process.wait() == 0


def _probe(directory: Path) -> LaunchSpec:
    root, source = directory / "root", directory / "probe"
    root.mkdir()
    source.touch()
    return LaunchSpec(
        argv=["/bin/sh", "-c", f"test -e {_MOUNT_POINT}"],
        env={},
        working_directory="/",
        hostname="probe",
        uid=65532,
        gid=65532,
        root=str(root),
        mounts=[Mount(_MOUNT_POINT, str(source))],
    )
