"""The cache of what the operator has seen of the cluster: jobs as manifests, their children as typed values."""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Generic, NamedTuple, TypeVar

from posefleet_api.constants import ANNOTATION_CHECKPOINT_NOW, ANNOTATION_RETRY
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Key, Manifest, key_of, version_of

logger = logging.getLogger(__name__)
Child = TypeVar("Child", ChildJob, ChildPod)
#: The fields of a PoseTrainingJob's metadata that the operator reads. The others are not kept.
_METADATA = ("name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp")
#: The annotations by which a job's author asks for something.
_ANNOTATIONS = (ANNOTATION_CHECKPOINT_NOW, ANNOTATION_RETRY)


class _Held(NamedTuple):
    """A PoseTrainingJob as it is kept: as JSON, which takes a tenth of the memory of dicts."""

    uid: str
    version: int
    text: bytes


class Jobs:
    """The PoseTrainingJobs by key. An older version never replaces a newer one."""

    def __init__(self) -> None:
        self._by_key: dict[Key, _Held] = {}
        self._deleted: set[str] = set()

    def get(self, key: Key) -> Manifest | None:
        """Return a copy of the newest version of a job, or None."""
        held = self._by_key.get(key)
        return _parsed(held) if held is not None else None

    def text(self, key: Key) -> bytes:
        """Return a job as JSON, the same object until the job changes, or an empty text if there is none."""
        held = self._by_key.get(key)
        return held.text if held is not None else b""

    def __contains__(self, key: Key) -> bool:
        """Return whether there is a job."""
        return key in self._by_key

    def __len__(self) -> int:
        """Return the number of jobs."""
        return len(self._by_key)

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys of all jobs."""
        return iter(list(self._by_key))

    def all(self) -> Iterator[Manifest]:
        """Iterate over copies of the newest version of every job."""
        return map(_parsed, list(self._by_key.values()))

    def is_news(self, event_type: str | None, manifest: Manifest) -> bool:
        """Return whether an event tells more than is known, which the event of an own write does not."""
        held = self._by_key.get(key_of(manifest))
        return event_type == "DELETED" or held is None or held.version < version_of(manifest)

    def apply(self, event_type: str | None, manifest: Manifest) -> Key:
        """Store what a watch or a write returned, and return the job's key."""
        key, held, version = key_of(manifest), self._by_key.get(key_of(manifest)), version_of(manifest)
        if held is not None and held.version > version:
            return key
        uid = manifest["metadata"].get("uid", "")
        if event_type == "DELETED":
            self._deleted.add(uid)
            self._by_key.pop(key, None)
        else:
            self._by_key[key] = _Held(uid, version, _kept(manifest))
        return key

    def forget(self, key: Key) -> None:
        """Remove a job that a write found to be gone."""
        self._by_key.pop(key, None)

    def drop_namespace(self, namespace: str) -> set[Key]:
        """Remove the jobs of a namespace that cannot be read, and return their keys."""
        left = {key for key in self._by_key if key[0] == namespace}
        for key in left:
            del self._by_key[key]
        return left

    def begin_list(self) -> None:
        """Remember deletions from now on, because the coming list may still have what is deleted meanwhile."""
        self._deleted.clear()

    def apply_listed(self, manifests: Iterable[Manifest], _version: int) -> set[Key]:
        """Store a part of a list, and return the keys of the jobs that are new or have changed."""
        changed: set[Key] = set()
        for manifest in manifests:
            uid = manifest["metadata"].get("uid")
            if uid not in self._deleted and self.is_news(None, manifest):
                changed.add(self.apply(None, manifest))
        return changed

    def drop_unlisted(self, listed: Set[str], version: int, namespace: str = "") -> set[Key]:
        """Remove the jobs of one or all namespaces that a complete list does not have, and return their keys.

        Args:
            listed: the uids of all jobs in the list.
            version: resource version of the list. What is newer is kept.
            namespace: the namespace that was listed, or an empty text for all.
        """
        held = self._by_key.items()
        missing = {key for key, job in held if job.uid not in listed and namespace in {"", key[0]}}
        lost = {key for key in missing if self._by_key[key].version <= version}
        for key in lost:
            del self._by_key[key]
        return lost


def _kept(manifest: Manifest) -> bytes:
    """Return the JSON of what the operator reads of a job."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name in _METADATA}
    annotations = manifest["metadata"].get("annotations") or {}
    metadata["annotations"] = {name: annotations[name] for name in _ANNOTATIONS if name in annotations}
    # Escaped, because texts of others may have surrogates, which UTF-8 cannot hold.
    return json.dumps({**manifest, "metadata": metadata}, separators=(",", ":")).encode()


def _parsed(held: _Held) -> Manifest:
    manifest: Manifest = json.loads(held.text)
    return manifest


class Children(Generic[Child]):
    """Children of one kind, by the job that owns them and by name.

    A pod that is deleted remains as a tombstone, because its exit code may not have been recorded yet.
    ``prune_tombstones`` removes it once the outcome of its attempt is in the status.
    """

    def __init__(self, read: Callable[[Manifest], Child]) -> None:
        self._read: Callable[[Manifest], Child] = read
        self._by_owner: dict[Key, dict[str, Child]] = defaultdict(dict)
        self._deleted: set[str] = set()

    def of(self, owner: Key) -> tuple[Child, ...]:
        """Return the children of a job, ordered by name."""
        held = self._by_owner.get(owner, {})
        return tuple(held[name] for name in sorted(held))

    def apply(self, event_type: str | None, manifest: Manifest) -> Key | None:
        """Store what a watch or a write returned. Return the owner's key, or None for an object that cannot be read."""
        child = self._readable(manifest)
        if child is None:
            return None
        identity = child.identity
        held = self._by_owner.get(identity.owner, {}).get(identity.name)
        if held is not None and held.identity.version > identity.version:
            return identity.owner
        child = child.following(held, identity.version)
        if event_type == "DELETED":
            self._deleted.add(identity.uid)
            self._remove(child)
        elif identity.uid not in self._deleted:
            self._by_owner[identity.owner][identity.name] = child
        return identity.owner

    def forget(self, owner: Key) -> None:
        """Remove the tombstones of a job that is gone."""
        self.prune_tombstones(owner, lambda _: True)

    def prune_tombstones(self, owner: Key, is_recorded: Callable[[Child], bool]) -> None:
        """Remove the tombstones of pods whose end has been recorded."""
        held = self._by_owner.get(owner, {})
        for name in [
            n for n, child in held.items() if isinstance(child, ChildPod) and child.gone and is_recorded(child)
        ]:
            del held[name]
        if not held:
            self._by_owner.pop(owner, None)

    def begin_list(self) -> None:
        """Remember deletions from now on, because the coming list may still have what is deleted meanwhile."""
        self._deleted.clear()

    def apply_listed(self, manifests: Iterable[Manifest], version: int) -> set[Key]:
        """Store a part of a list, and return the owners of the children that are new or have changed.

        Args:
            manifests: the part of the list.
            version: resource version of the list.
        """
        owners: set[Key] = set()
        for manifest in manifests:
            child = self._readable(manifest)
            if child is None or child.identity.uid in self._deleted:
                continue
            identity = child.identity
            held = self._by_owner.get(identity.owner, {}).get(identity.name)
            if held is None or held.identity.version < identity.version or held.identity.uid != identity.uid:
                owners.add(identity.owner)
            if held is None or held.identity.version <= identity.version:
                self._by_owner[identity.owner][identity.name] = child.following(held, version)
        return owners

    def drop_unlisted(self, listed: Set[str], version: int, namespace: str = "") -> set[Key]:
        """Remove the children of one or all namespaces that a complete list does not have, and return their owners.

        Args:
            listed: the uids of all children in the list.
            version: resource version of the list. What is newer is kept.
            namespace: the namespace that was listed, or an empty text for all.
        """
        owners: set[Key] = set()
        for child in [c for held in self._by_owner.values() for c in held.values()]:
            identity = child.identity
            if namespace in {"", identity.owner[0]} and identity.uid not in listed and identity.version <= version:
                if not (isinstance(child, ChildPod) and child.gone):
                    owners.add(identity.owner)
                self._remove(child)
        return owners

    def _readable(self, manifest: Manifest) -> Child | None:
        """Return the typed value, or log a line and return None for an object that cannot be read."""
        try:
            return self._read(manifest)
        except Exception as error:
            logger.warning("%s/%s cannot be read and is ignored: %r", *key_of(manifest), error)
            return None

    def _remove(self, child: Child) -> None:
        held = self._by_owner[child.identity.owner]
        known = held.get(child.identity.name)
        if known is not None and known.identity.uid != child.identity.uid:
            return
        tombstone = child.tombstone()
        if tombstone is None:
            held.pop(child.identity.name, None)
            if not held:
                del self._by_owner[child.identity.owner]
        else:
            held[child.identity.name] = tombstone


Store = Jobs | Children[ChildJob] | Children[ChildPod]


class Cache:
    """Everything that has been seen, from watches, from lists and from the operator's own writes."""

    def __init__(self) -> None:
        self.training_jobs = Jobs()
        self.child_jobs = Children[ChildJob](ChildJob.read)
        self.pods = Children[ChildPod](ChildPod.read)
