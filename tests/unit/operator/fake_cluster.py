"""An API server of dicts, for what writes to it; it fails and conflicts on request."""

from collections.abc import Iterable
from copy import deepcopy

from posefleet_operator.cluster.cache import Store
from posefleet_operator.cluster.client import ApiError, Kind
from posefleet_operator.cluster.merge_patch import patched
from posefleet_operator.cluster.objects import Key, Manifest


def replace_from_list(store: Store, manifests: Iterable[Manifest], version: int, namespace: str = "") -> set[Key]:
    """Give a store a complete list in one part, and return the keys that changed."""
    listed = list(manifests)
    changed = store.apply_listed(listed, version)
    present = {manifest["metadata"].get("uid", "") for manifest in listed}
    return changed | store.drop_unlisted(present, version, namespace)


class FakeCluster:
    """Keeps objects by kind and name, checks versions as the API server does, and remembers every write."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.writes: list[str] = []
        #: Kind, name, uid and whether dependents go first, of every delete.
        self.deletes: list[tuple[str, str, str, bool]] = []
        #: The bodies of all patches.
        self.patches: list[Manifest] = []
        #: Number of patches that were tried without effect.
        self.dry_runs = 0
        self.version = 100
        #: What the next requests fail with.
        self.failures: list[ApiError] = []
        #: What creating objects of a kind fails with, so many times.
        self.refuses: dict[str, ApiError] = {}
        self.refusals = 1_000

    async def get(self, kind: Kind, namespace: str, name: str, subresource: str = "") -> Manifest:
        self._fail()
        held = deepcopy(self._held(kind, name, namespace))
        found: Manifest = held[subresource] if subresource else held
        return found

    async def list(
        self, kind: Kind, namespace: str, selector: str = "", fields: str = ""
    ) -> tuple[list[Manifest], int]:
        self._fail()
        label, _, value = selector.partition("=")
        mine = [held for (name, _), held in self.objects.items() if name == kind.kind]
        found = [held for held in mine if held["metadata"].get("labels", {}).get(label) == value]
        return deepcopy(found), self.version

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._fail()
        if kind.kind in self.refuses and self.refusals > 0:
            self.refusals -= 1
            raise self.refuses[kind.kind]
        name = manifest["metadata"]["name"]
        if (kind.kind, name) in self.objects:
            raise ApiError(409, "AlreadyExists", name)
        return self._store("create", kind, manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._fail()
        self._compare(self._held(kind, manifest["metadata"]["name"]), manifest)
        return self._store("replace", kind, manifest)

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Manifest, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        self._fail()
        held = self._held(kind, name, namespace)
        self._compare(held, patch)
        if dry_run:
            self.dry_runs += 1
            return held
        self.patches.append(patch)
        verb = f"patch {subresource} of" if subresource else "patch"
        return self._store(verb, kind, patched(held, patch))

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str, foreground: bool = False) -> None:
        self.deletes.append((kind.kind, name, uid, foreground))
        self._fail()
        if self._held(kind, name, namespace)["metadata"].get("uid") != uid:
            raise ApiError(409, "Conflict", "another object has the name")
        del self.objects[kind.kind, name]
        self.writes.append(f"delete {kind.kind} {name}")

    def put(self, manifest: Manifest) -> None:
        """An object that somebody else has written."""
        self.version += 1
        uid = f"uid-of-{manifest['metadata']['name']}"
        metadata = {"uid": uid, **manifest["metadata"], "resourceVersion": str(self.version)}
        self.objects[manifest["kind"], metadata["name"]] = {**manifest, "metadata": metadata}

    def _held(self, kind: Kind, name: str, namespace: str = "") -> Manifest:
        held = self.objects.get((kind.kind, name))
        if held is None or (namespace and held["metadata"]["namespace"] != namespace):
            raise ApiError(404, "NotFound", name)
        return held

    def _compare(self, held: Manifest, manifest: Manifest) -> None:
        if held["metadata"]["resourceVersion"] != manifest["metadata"].get("resourceVersion"):
            raise ApiError(409, "Conflict", "the object has been modified")

    def _store(self, verb: str, kind: Kind, manifest: Manifest) -> Manifest:
        self.put(manifest)
        self.writes.append(f"{verb} {kind.kind} {manifest['metadata']['name']}")
        return self.objects[kind.kind, manifest["metadata"]["name"]]

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
