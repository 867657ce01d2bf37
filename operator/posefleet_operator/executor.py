"""Carries out a plan: deletes and creates objects, records events, and finally writes the status.

Because of this order the operator may be killed at any moment. The name of a child follows from the status, and the
child is created before the status says so. The next operator therefore finds and adopts it instead of creating a
second one. The names of events follow from the status as well. They are recorded before the status, so that none is
lost, but only after a dry run has shown that the API server accepts the status that they speak of. The status is
written only on top of the version that the plan was computed from, so that nobody with an older version, such as a
former leader, can undo it.
"""

import logging
from collections.abc import Callable

from posefleet_api.constants import ANNOTATION_FINGERPRINT, API_VERSION, KIND, LABEL_JOB_UID
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.client import EVENT, JOB, KINDS, TRAINING_JOB, ApiError, Cluster, kind_of
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, Reference
from posefleet_operator.policies.events import event_manifest

logger = logging.getLogger(__name__)


class Refused(Exception):
    """The API server refuses a child object of a job."""


class Executor:
    """Writes to the cluster, and puts the results into the cache, so that the next reconcile sees them."""

    def __init__(self, cluster: Cluster, cache: Cache, may_write: Callable[[], None], instance: str) -> None:
        """``may_write`` raises an exception as soon as this operator no longer leads."""
        self._cluster = cluster
        self._cache = cache
        self._may_write = may_write
        self._instance = instance

    async def execute(self, seen: Observation, plan: Plan, write_status: bool) -> None:
        """Carry out a plan.

        Raises:
            Refused: if the API server refuses a child object because of its content.
            ApiError: if a request fails otherwise. The plan can be carried out again.
        """
        for reference in plan.delete:
            await self._delete(seen, reference)
        for manifest in plan.apply:
            await self._apply(seen, manifest)
        writes_status = write_status and plan.status != seen.status
        if writes_status and plan.events:
            await self._write_status(seen, plan, dry_run=True)
        events = [event_manifest(seen, event, self._instance, order) for order, event in enumerate(plan.events)]
        unrecorded = [event for event in events if not await self._record_event(event)]
        if writes_status:
            await self._write_status(seen, plan)
        for event in unrecorded:
            if not await self._record_event(event):
                logger.warning("an event could not be recorded: %s: %s", event["reason"], event["note"])

    async def _delete(self, seen: Observation, reference: Reference) -> None:
        """Delete an object. Jobs are deleted in the foreground, so that a Job that is gone has no pods left."""
        self._may_write()
        kind = KINDS[reference.kind]
        foreground = kind == JOB
        try:
            await self._cluster.delete(kind, seen.key[0], reference.name, reference.uid, foreground)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            return
        logger.info("deleted %s %s", reference.kind, reference.name)

    async def _apply(self, seen: Observation, manifest: Manifest) -> None:
        self._may_write()
        kind = kind_of(manifest)
        try:
            if kind == JOB:
                await self._create_job(seen, manifest)
            else:
                await self._cluster.apply(kind, manifest)
        except ApiError as error:
            if error.refused:
                raise Refused(
                    f"the API server refuses {kind.kind} {manifest['metadata']['name']}: {error.message}"
                ) from error
            raise

    async def _create_job(self, seen: Observation, manifest: Manifest) -> None:
        """Create a Job. It is never applied again, because Kueue and the Job controller own its fields from then on."""
        try:
            created = await self._cluster.create(JOB, manifest)
        except ApiError as error:
            if error.status != 409:
                raise
            created = await self._cluster.get(JOB, seen.key[0], manifest["metadata"]["name"])
            if LABEL_JOB_UID not in _labels(created):
                raise Refused(
                    f"there is a Job {manifest['metadata']['name']} that posefleet has not created; delete it, or "
                    "apply this job under another name"
                ) from error
            if not _same(created, manifest):
                raise
        else:
            logger.info("created Job %s", manifest["metadata"]["name"])
        self._cache.child_jobs.apply("ADDED", created)

    async def _record_event(self, event: Manifest) -> bool:
        """Record an event, and return whether no other try is needed. Errors are logged and hold nothing up."""
        self._may_write()
        try:
            await self._cluster.create(EVENT, event)
        except ApiError as error:
            if error.status == 409:
                return True
            log = logger.warning if error.refused else logger.debug
            log("cannot record an event: %s", error)
            return error.refused
        log = logger.warning if event["type"] == "Warning" else logger.info
        log("%s: %s", event["reason"], event["note"])
        return True

    async def _write_status(self, seen: Observation, plan: Plan, dry_run: bool = False) -> None:
        """Write the status on top of the version that was seen, or find out whether it could be written."""
        self._may_write()
        metadata = seen.manifest["metadata"]
        names = ("name", "namespace", "uid", "resourceVersion")
        manifest = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {name: metadata[name] for name in names},
            "status": plan.status.to_dict(),
        }
        try:
            written = await self._cluster.apply(TRAINING_JOB, manifest, "status", dry_run)
        except ApiError as error:
            await self._refresh_cached_job(seen, error)
            raise
        if not dry_run:
            self._cache.training_jobs.apply("MODIFIED", written)

    async def _refresh_cached_job(self, seen: Observation, error: ApiError) -> None:
        """Read the job again after a conflict, or when it is gone, without waiting for the watch."""
        if error.status not in {404, 409}:
            return
        namespace, name = seen.key
        try:
            self._cache.training_jobs.apply("MODIFIED", await self._cluster.get(TRAINING_JOB, namespace, name))
        except ApiError as missing:
            if missing.status == 404:
                self._cache.training_jobs.forget(seen.key)


def _labels(manifest: Manifest) -> dict[str, str]:
    return manifest["metadata"].get("labels") or {}


def _same(existing: Manifest, wanted: Manifest) -> bool:
    """Return whether a former leader created ``existing`` for the same job and the same manifest as ``wanted``."""
    fingerprints = ((m["metadata"].get("annotations") or {}).get(ANNOTATION_FINGERPRINT) for m in (existing, wanted))
    found, asked = fingerprints
    return _labels(existing).get(LABEL_JOB_UID) == _labels(wanted)[LABEL_JOB_UID] and found in {None, asked}
