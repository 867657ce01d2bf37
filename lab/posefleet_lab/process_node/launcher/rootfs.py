"""The container's root file system: the host's, with the pod's volumes mounted into it.

An unprivileged user cannot create a mount point such as ``/etc/posefleet`` on the host, and should not. The root is
therefore an empty tmpfs into which the directories of the host are bind-mounted. A directory that needs an additional
entry is created in the tmpfs, and its entries are bind-mounted one by one.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from . import libc
from .program import LaunchSpec, Mount

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_PREFIXES = ("nvidia", "dri", "infiniband")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                 "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
_OWN_TREES = ("/proc", "/dev")
SHM_BYTES = 64 * 1024 * 1024


def build_root(spec: LaunchSpec) -> None:
    """Build the root at ``spec.root`` and move this process into it. Needs its own mount and PID namespaces."""
    root = spec.root
    libc.mount("none", "/", flags=libc.MS_REC | libc.MS_PRIVATE)
    libc.mount("tmpfs", root, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "mode=755")
    mounts = sorted((Mount(_canonical(m.path), m.source, m.read_only) for m in spec.mounts), key=_depth)
    bound = _populate(Path("/"), Path(root), [Path(m.path) for m in mounts])
    _mount_dev(root)
    if spec.read_only_root:
        for target in bound:
            libc.make_read_only(target)
    for entry in mounts:
        _mount_volume(root, entry)
    for path in spec.kept_paths:
        _uncover(root, path, mounts)
    _mount_proc(root)
    if spec.read_only_root:
        libc.make_read_only(root, recursive=False)
    libc.pivot_root(root)


def _depth(mount: Mount) -> int:
    return len(Path(mount.path).parts)


def _canonical(path: str) -> str:
    """Resolve the host's symlinks in a mount path: ``/var/run`` is ``/run`` on most hosts."""
    return os.path.realpath(os.path.normpath("/" + path.lstrip("/")))


def _populate(host: Path, target: Path, mount_paths: Sequence[Path]) -> list[str]:
    """Bind-mount the entries of ``host`` into ``target``, except mount points, and return the new mounts."""
    bound: list[str] = []
    names = {path.relative_to(host).parts[0] for path in mount_paths}
    present = {entry.name for entry in os.scandir(host)} if host.is_dir() else set()
    for name in sorted(present | names):
        inner = [path for path in mount_paths if path.is_relative_to(host / name)]
        bound += _populate_entry(host / name, target / name, inner)
    return bound


def _populate_entry(host: Path, target: Path, mount_paths: Sequence[Path]) -> list[str]:
    if str(host) in _OWN_TREES:
        target.mkdir(exist_ok=True)
        return []
    if host in mount_paths:
        return []  # created when its volume is mounted, as a file or directory like its source
    if mount_paths and not _all_exist(mount_paths):
        target.mkdir()
        return _populate(host, target, mount_paths)
    return _bind_host_entry(host, target)


def _all_exist(mount_paths: Sequence[Path]) -> bool:
    return all(path.exists() for path in mount_paths)


def _bind_host_entry(host: Path, target: Path) -> list[str]:
    if host.is_symlink():
        target.symlink_to(host.readlink())
        return []
    try:
        _make_mount_point(str(host), target)
        libc.bind(str(host), str(target))
    except OSError:
        return []  # this user may not access the entry, so the container does not have it
    return [str(target)]


def _make_mount_point(source: str, target: Path) -> None:
    if stat.S_ISDIR(os.stat(source).st_mode):  # noqa: PTH116 - a symlinked source is followed on purpose
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


def _mount_volume(root: str, entry: Mount) -> None:
    target = Path(root + entry.path)
    _make_mount_point(entry.source, target)
    libc.bind(entry.source, str(target))
    if entry.read_only:
        libc.make_read_only(str(target))


def _uncover(root: str, path: str, mounts: Sequence[Mount]) -> None:
    """Bind-mount ``path`` again if a volume hides it, such as a virtual environment below ``/tmp``."""
    if any(Path(path).is_relative_to(entry.path) and entry.source != path for entry in mounts):
        _mount_volume(root, Mount(path, path))


def _mount_dev(root: str) -> None:
    """Mount a ``/dev`` like that of a container: a few devices, accelerators, and 64 MiB of shared memory."""
    dev = Path(root, "dev")
    libc.mount("tmpfs", str(dev), "tmpfs", libc.MS_NOSUID, "mode=755")
    for entry in os.scandir("/dev"):
        if entry.name in _DEVICES or entry.name.startswith(_DEVICE_PREFIXES):
            _bind_host_entry(Path(entry.path), dev / entry.name)
    for name, link in _DEVICE_LINKS.items():
        (dev / name).symlink_to(link)
    _bind_host_entry(Path("/dev/pts"), dev / "pts")
    (dev / "shm").mkdir()
    libc.mount("tmpfs", str(dev / "shm"), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, f"mode=1777,size={SHM_BYTES}")


def _mount_proc(root: str) -> None:
    target = f"{root}/proc"
    try:
        libc.mount("proc", target, "proc", libc.MS_NOSUID | libc.MS_NODEV)
    except PermissionError:
        libc.bind("/proc", target)  # the kernel refuses a new /proc inside a container that hides parts of its own
