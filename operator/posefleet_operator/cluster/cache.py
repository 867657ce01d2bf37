"""What the operator has seen of the cluster: jobs as plain dicts, their children as typed values, all by key."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import Key, Manifest, key_of, version_of

logger = logging.getLogger(__name__)
Child = TypeVar("Child", ChildJob, ChildPod)
#: The fields of a PoseTrainingJob's metadata that the operator reads; the rest is left to the API server.
_METADATA = ("name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp")


class Jobs:
    """PoseTrainingJobs by key. An older version never replaces a newer one."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Manifest] = {}
        self._deleted: set[str] = set()

    def get(self, key: Key) -> Manifest | None:
        """The newest version seen."""
        return self._by_key.get(key)

    def __iter__(self) -> Iterator[Key]:
        """Every job's key."""
        return iter(list(self._by_key))

    def all(self) -> list[Manifest]:
        """Every job's newest version."""
        return list(self._by_key.values())

    def apply(self, event_type: str | None, manifest: Manifest) -> Key:
        """Take in what a watch or a write returned; gives the job's key."""
        key, held = key_of(manifest), self._by_key.get(key_of(manifest))
        if held is not None and version_of(held) > version_of(manifest):
            return key
        if event_type == "DELETED":
            self._deleted.add(manifest["metadata"].get("uid", ""))
            self._by_key.pop(key, None)
        else:
            metadata = {name: value for name, value in manifest["metadata"].items() if name in _METADATA}
            self._by_key[key] = {**manifest, "metadata": metadata}
        return key

    def forget(self, key: Key) -> None:
        """Drop a job that a write found to be gone."""
        self._by_key.pop(key, None)

    def drop_namespace(self, namespace: str) -> set[Key]:
        """Drop the jobs of a namespace that cannot be read; gives their keys."""
        left = {key for key in self._by_key if key[0] == namespace}
        for key in left:
            del self._by_key[key]
        return left

    def begin_list(self) -> None:
        """From here on remember deletions, since the list to come may still hold what is deleted meanwhile."""
        self._deleted.clear()

    def replace_from_list(self, manifests: Iterable[Manifest], version: int, namespace: str = "") -> set[Key]:
        """Make the cache equal to a complete list, of a namespace or of all; gives the keys listed or lost."""
        listed = {key_of(m): m for m in manifests if m["metadata"].get("uid") not in self._deleted}
        for manifest in listed.values():
            self.apply(None, manifest)
        missing = {key: held for key, held in self._by_key.items() if key not in listed and namespace in {"", key[0]}}
        lost = {key for key, held in missing.items() if version_of(held) <= version}
        for key in lost:
            del self._by_key[key]
        return lost | set(listed)


class Children(Generic[Child]):
    """Children of one kind by the job that owns them, then by name.

    A pod that is deleted stays, marked as gone, for its exit code may not have been taken note of; ``settle`` drops
    it once its attempt's outcome is in the status.
    """

    def __init__(self, read: Callable[[Manifest], Child]) -> None:
        self._read: Callable[[Manifest], Child] = read
        self._by_owner: dict[Key, dict[str, Child]] = defaultdict(dict)
        self._deleted: set[str] = set()

    def of(self, owner: Key) -> tuple[Child, ...]:
        """A job's children, ordered by name."""
        held = self._by_owner.get(owner, {})
        return tuple(held[name] for name in sorted(held))

    def apply(self, event_type: str | None, manifest: Manifest) -> Key | None:
        """Take in what a watch or a write returned; gives the owner's key, or None for what cannot be read."""
        child = self._readable(manifest)
        if child is None:
            return None
        identity = child.identity
        held = self._by_owner.get(identity.owner, {}).get(identity.name)
        if held is not None and held.identity.version > identity.version:
            return identity.owner
        if event_type == "DELETED":
            self._deleted.add(identity.uid)
            self._remove(child)
        elif identity.uid not in self._deleted:
            self._by_owner[identity.owner][identity.name] = child
        return identity.owner

    def forget(self, owner: Key) -> None:
        """Drop the children that are gone of a job that is gone."""
        self.prune_tombstones(owner, lambda _: True)

    def prune_tombstones(self, owner: Key, settled: Callable[[Child], bool]) -> None:
        """Drop the last words of pods that ``settled`` says are taken note of."""
        held = self._by_owner.get(owner, {})
        for name in [n for n, child in held.items() if isinstance(child, ChildPod) and child.gone and settled(child)]:
            del held[name]
        if not held:
            self._by_owner.pop(owner, None)

    def begin_list(self) -> None:
        """From here on remember deletions, since the list to come may still hold what is deleted meanwhile."""
        self._deleted.clear()

    def replace_from_list(self, manifests: Iterable[Manifest], version: int, namespace: str = "") -> set[Key]:
        """Make the cache equal to a complete list, of a namespace or of all; gives the owners of what is concerned."""
        listed = list(manifests)
        present = {manifest["metadata"].get("uid", "") for manifest in listed}
        children = [child for manifest in listed if (child := self._readable(manifest)) is not None]
        owners = {child.identity.owner for child in children}
        for child in children:
            held = self._by_owner.get(child.identity.owner, {}).get(child.identity.name)
            newer = held is None or held.identity.version <= child.identity.version
            if newer and child.identity.uid not in self._deleted:
                self._by_owner[child.identity.owner][child.identity.name] = child
        for child in [c for held in self._by_owner.values() for c in held.values()]:
            if namespace and child.identity.owner[0] != namespace:
                continue
            if child.identity.uid not in present and child.identity.version <= version:
                self._remove(child)
                owners.add(child.identity.owner)
        return owners

    def _readable(self, manifest: Manifest) -> Child | None:
        """None, and a line in the log, for an object that cannot be read: it must not cost more than itself."""
        try:
            return self._read(manifest)
        except Exception as error:
            logger.warning("%s/%s cannot be read and is left out: %r", *key_of(manifest), error)
            return None

    def _remove(self, child: Child) -> None:
        held = self._by_owner[child.identity.owner]
        known = held.get(child.identity.name)
        if known is not None and known.identity.uid != child.identity.uid:
            return
        last_words = child.tombstone()
        if last_words is None:
            held.pop(child.identity.name, None)
            if not held:
                del self._by_owner[child.identity.owner]
        else:
            held[child.identity.name] = last_words


Store = Jobs | Children[ChildJob] | Children[ChildPod]


class Cache:
    """All that is seen; filled by events, by lists and by what the operator's own writes return."""

    def __init__(self) -> None:
        self.training_jobs = Jobs()
        self.child_jobs = Children[ChildJob](ChildJob.read)
        self.pods = Children[ChildPod](ChildPod.read)
