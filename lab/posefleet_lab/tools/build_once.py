"""Builds into the cache directory that run once, even if several processes request them at the same time."""

import fcntl
import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Report = Callable[[str], None]

_PROGRESS_SECONDS = 15.0


def quiet(_line: str) -> None:
    """Ignore a line; the report function of callers that want no output."""


def build_once(target: Path, build: Callable[[Path], None], what: str, report: Report = quiet) -> Path:
    """Return the directory ``target``, which ``build`` fills if it does not exist.

    The name of ``target`` contains a hash of the inputs of the build. ``build`` is called with an empty directory that
    is renamed to ``target`` when it returns, so an interrupted build leaves no incomplete result. A lock makes other
    processes wait. ``what`` names the build in lines for ``report``.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f".{target.name}.lock"), what, report):
        if not target.exists():
            _build(target, build, what, report)
    return target


def digest(*parts: bytes) -> str:
    """Return a hash of the inputs of a build as 16 hexadecimal digits."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()[:16]


def _build(target: Path, build: Callable[[Path], None], what: str, report: Report) -> None:
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with _progress(what, report):
            build(work)
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(lock: Path, what: str, report: Report) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"{what}: waiting for another process that builds it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _progress(what: str, report: Report) -> Iterator[None]:
    """Report the start, the elapsed seconds at regular intervals, and the total at the end."""
    begun = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(_PROGRESS_SECONDS):
            report(f"{what}: {time.monotonic() - begun:.0f} s so far")

    report(f"{what}: this happens once")
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
    report(f"{what}: {time.monotonic() - begun:.0f} s")
