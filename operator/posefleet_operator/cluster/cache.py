"""The cache of what the operator has seen of the cluster: jobs as manifests, their children as typed values."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

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


class Jobs:
    """The PoseTrainingJobs by key. An older version never replaces a newer one."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Manifest] = {}
        self._deleted: set[str] = set()

    def get(self, key: Key) -> Manifest | None:
        """Return the newest version of a job, or None."""
        return self._by_key.get(key)

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys of all jobs."""
        return iter(list(self._by_key))

    def all(self) -> list[Manifest]:
        """Return the newest version of every job."""
        return list(self._by_key.values())

    def apply(self, event_type: str | None, manifest: Manifest) -> Key:
        """Store what a watch or a write returned, and return the job's key."""
        key, held = key_of(manifest), self._by_key.get(key_of(manifest))
        if held is not None and version_of(held) > version_of(manifest):
            return key
        if event_type == "DELETED":
            self._deleted.add(manifest["metadata"].get("uid", ""))
            self._by_key.pop(key, None)
        else:
            metadata = {name: value for name, value in manifest["metadata"].items() if name in _METADATA}
            annotations = manifest["metadata"].get("annotations") or {}
            metadata["annotations"] = {name: annotations[name] for name in _ANNOTATIONS if name in annotations}
            self._by_key[key] = {**manifest, "metadata": metadata}
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

    def replace_from_list(self, manifests: Iterable[Manifest], version: int, namespace: str = "") -> set[Key]:
        """Make the cache equal to a complete list of one or all namespaces, and return the keys listed or removed."""
        listed = {key_of(m): m for m in manifests if m["metadata"].get("uid") not in self._deleted}
        for manifest in listed.values():
            self.apply(None, manifest)
        missing = {key: held for key, held in self._by_key.items() if key not in listed and namespace in {"", key[0]}}
        lost = {key for key, held in missing.items() if version_of(held) <= version}
        for key in lost:
            del self._by_key[key]
        return lost | set(listed)


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

    def replace_from_list(self, manifests: Iterable[Manifest], version: int, namespace: str = "") -> set[Key]:
        """Make the cache equal to a complete list of one or all namespaces, and return the owners of the children."""
        listed = list(manifests)
        present = {manifest["metadata"].get("uid", "") for manifest in listed}
        children = [child for manifest in listed if (child := self._readable(manifest)) is not None]
        owners = {child.identity.owner for child in children}
        for child in children:
            held = self._by_owner.get(child.identity.owner, {}).get(child.identity.name)
            newer = held is None or held.identity.version <= child.identity.version
            if newer and child.identity.uid not in self._deleted:
                self._by_owner[child.identity.owner][child.identity.name] = child.following(held, version)
        for child in [c for held in self._by_owner.values() for c in held.values()]:
            if namespace and child.identity.owner[0] != namespace:
                continue
            if child.identity.uid not in present and child.identity.version <= version:
                self._remove(child)
                owners.add(child.identity.owner)
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
