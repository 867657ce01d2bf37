"""Records every change of PoseTrainingJobs, Jobs and Pods of a namespace: a list, then a watch that is resumed."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import urllib3
from kubernetes import config

from chaos.history import DELETED, Change, DeadNode, History, Manifest
from posefleet_api.constants import GROUP, KIND, PLURAL, VERSION
from support.waiting import wait_for

_PATHS = {
    KIND: f"/apis/{GROUP}/{VERSION}/namespaces/{{}}/{PLURAL}",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Pod": "/api/v1/namespaces/{}/pods",
}
_WATCH_SECONDS = 300
_PAUSE_SECONDS = 0.05


class _VersionGone(Exception):
    """The API server cannot go on from the last version that was seen."""


class Recorder:
    """Use it as a context manager. The recording begins before the ``with`` block does.

    A watch that breaks is resumed from the last version that it has shown, so nothing is missed. An API server that was
    restarted may no longer have that version. Then everything is listed, what differs is recorded as a change, and
    ``History.gaps`` says so: states in between may be missing. No one can write while the API server is away, so these
    are only those that the watch had not delivered when it stopped.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        settings = config.new_client_from_config(str(kubeconfig)).configuration
        self._host = settings.host
        self._pool = urllib3.PoolManager(
            cert_file=settings.cert_file, key_file=settings.key_file, ca_certs=settings.ssl_ca_cert, retries=False
        )
        self._paths = {kind: path.format(namespace) for kind, path in _PATHS.items()}
        self._history = History()
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Manifest]] = {kind: {} for kind in _PATHS}
        self._listed = {kind: threading.Event() for kind in _PATHS}
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(kind,), daemon=True, name=f"record {kind}") for kind in _PATHS
        ]

    def __enter__(self) -> "Recorder":
        for thread in self._threads:
            thread.start()
        for kind, listed in self._listed.items():
            assert listed.wait(60), f"no list of {kind}"
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def history(self) -> History:
        """What was recorded until now."""
        with self._lock:
            return History(list(self._history.changes), list(self._history.dead_nodes), list(self._history.gaps))

    def forget(self) -> None:
        """Drop what was recorded, once it has been judged."""
        with self._lock:
            self._history = History()

    def node_died(self, name: str) -> None:
        """Note that a machine was switched off now."""
        with self._lock:
            self._history.dead_nodes.append(DeadNode(name, time.monotonic()))

    def catch_up(self) -> None:
        """Wait until everything is recorded that the API server has now."""
        for kind in _PATHS:
            wait_for(f"the list of {kind}", partial(self._has_caught_up, kind), 90)

    def _has_caught_up(self, kind: str) -> bool:
        try:
            listed, _ = self._list(kind)
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return False
        with self._lock:
            known = dict(self._known[kind])
        return all(
            item["metadata"]["uid"] in known and _version(known[item["metadata"]["uid"]]) >= _version(item)
            for item in listed
        ) and known.keys() <= {item["metadata"]["uid"] for item in listed}

    def _follow(self, kind: str) -> None:
        version: int | None = None
        while not self._stopped.is_set():
            try:
                if version is None:
                    version = self._start_over(kind)
                for shown in self._watch(kind, version):
                    version = shown
            except _VersionGone:
                version = None
                with self._lock:
                    self._history.gaps.append((kind, time.monotonic()))
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                self._stopped.wait(_PAUSE_SECONDS)

    def _start_over(self, kind: str) -> int:
        items, version = self._list(kind)
        listed = {item["metadata"]["uid"]: item for item in items}
        with self._lock:
            known = dict(self._known[kind])
        for uid, item in listed.items():
            if uid not in known:
                self._record(kind, "ADDED", item)
            elif _version(item) > _version(known[uid]):
                self._record(kind, "MODIFIED", item)
        for uid in known.keys() - listed.keys():
            self._record(kind, DELETED, _with_version(known[uid], version))
        self._listed[kind].set()
        return version

    def _list(self, kind: str) -> tuple[list[Manifest], int]:
        answer = self._pool.request("GET", self._host + self._paths[kind], timeout=20)
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        found = answer.json()
        return found["items"], int(found["metadata"]["resourceVersion"])

    def _watch(self, kind: str, version: int) -> Iterator[int]:
        """Yield the versions that a watch shows, each after its change was recorded."""
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={_WATCH_SECONDS}"
        url = f"{self._host}{self._paths[kind]}?{query}"
        timeout = urllib3.Timeout(connect=5, read=_WATCH_SECONDS + 30)
        answer = self._pool.request("GET", url, preload_content=False, timeout=timeout)
        try:
            _raise_for(answer.status)
            for line in _lines(answer):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    _raise_for(event["object"].get("code", 500))
                    raise ValueError(str(event["object"]))
                if event["type"] != "BOOKMARK":
                    self._record(kind, event["type"], event["object"])
                yield _version(event["object"])
        finally:
            with suppress(Exception):
                answer.close()

    def _record(self, kind: str, event: str, manifest: Manifest) -> None:
        with self._lock:
            if event == DELETED:
                self._known[kind].pop(manifest["metadata"]["uid"], None)
            else:
                self._known[kind][manifest["metadata"]["uid"]] = manifest
            self._history.changes.append(Change(time.monotonic(), kind, event, _version(manifest), manifest))


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for part in answer.stream(None):
        *lines, rest = (rest + part).split(b"\n")
        yield from filter(None, lines)


def _raise_for(status: int) -> None:
    if status == 410:
        raise _VersionGone
    if status != 200:
        raise ValueError(f"status {status}")


def _version(manifest: Manifest) -> int:
    return int(manifest["metadata"]["resourceVersion"])


def _with_version(manifest: Manifest, version: int) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}
