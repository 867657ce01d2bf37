"""Carries out a plan: deletes, creates and releases objects, records events, and finally writes the status.

The operator may be killed at any moment, and may be paused for any time between two instructions. The name of a child
follows from the status, so the next operator finds it instead of creating a second one, and so do the names of events.
Events are recorded before the status, so that none is lost, but only after a dry run has shown that the API server
accepts the status that they speak of. The status is written only on top of the version that the plan was computed from,
so that nobody with an older version, such as a former leader, can undo it. A child is created and never overwritten: an
object of that name that the job does not own is left as it is.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from posefleet_api.constants import ANNOTATION_FINGERPRINT, GROUP, KIND
from posefleet_api.crd import structural_schema
from posefleet_api.job import PoseTrainingJob
from posefleet_api.status import Status
from posefleet_operator import reasons
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.client import (
    CONFIG_MAP,
    EVENT,
    JOB,
    KINDS,
    TRAINING_JOB,
    WORKLOAD,
    ApiError,
    Cluster,
    Kind,
    kind_of,
)
from posefleet_operator.cluster.kueue import JOB_UID_LABEL, PRIORITY_BOOST_ANNOTATION
from posefleet_operator.cluster.merge_patch import carried_over, difference
from posefleet_operator.cluster.objects import Manifest, Owner, controller_of
from posefleet_operator.cluster.text import cut_to_schema
from posefleet_operator.observation import Observation, Refusal
from posefleet_operator.plan import Plan, PriorityBoost, Reference, Release
from posefleet_operator.policies.events import event_manifest
from posefleet_operator.policies.refusals import remedy_for

logger = logging.getLogger(__name__)

#: How the Job controller reports that it could not create a pod.
_POD_REFUSED, _POD_REFUSED_PREFIX = "FailedCreate", "Error creating: "


class Refused(Exception):
    """The API server refuses a child object of a job, and will do so until somebody changes something."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class NameConflict(Refused):
    """An object that the job does not own has the name of one of its children."""


class StatusRefused(Exception):
    """The API server refuses to store the status of a job, whatever it contains."""


class Executor:
    """Writes to the cluster, and puts the results into the cache, so that the next reconcile sees them."""

    def __init__(self, cluster: Cluster, cache: Cache, may_write: Callable[[], object], instance: str) -> None:
        """``may_write`` raises an exception as soon as this operator no longer leads."""
        self._cluster = cluster
        self._cache = cache
        self._may_write = may_write
        self._instance = instance
        #: What the API server has accepted as changes of a status, without the texts and numbers in them.
        self._accepted: set[str] = set()

    async def execute(self, seen: Observation, plan: Plan, write_status: bool) -> None:
        """Carry out a plan.

        Raises:
            Refused: if the API server refuses a child object because of its content.
            NameConflict: if the name of a child object belongs to another one.
            StatusRefused: if the API server refuses the status because of its content.
            ApiError: if a request fails otherwise. The plan can be carried out again.
        """
        for reference in plan.delete:
            await self._delete(seen, reference)
        for manifest in plan.create:
            await self._create(seen, manifest)
        for manifest in plan.restore:
            await self._restore(manifest)
        for release in plan.release:
            await self._release(seen, release)
        if plan.boost is not None:
            await self._boost(seen, plan.boost)
        changes = _status_changes(seen, plan) if write_status and plan.status != seen.status else {}
        shape = _shape(changes)
        if changes and plan.events and shape not in self._accepted:
            await self._write_status(seen, changes, dry_run=True)
        events = [event_manifest(seen, event, self._instance, order) for order, event in enumerate(plan.events)]
        unrecorded = [event for event in events if not await self._record_event(event)]
        if changes:
            self._accepted.discard(shape)
            await self._write_status(seen, changes)
            self._accepted.add(shape)
        for event in unrecorded:
            if not await self._record_event(event):
                logger.warning("an event could not be recorded: %s: %s", event["reason"], event["note"])

    async def why_no_pods(self, namespace: str, job: ChildJob) -> str:
        """Return what the Job controller was told when it tried to create the pods of a Job, or an empty text."""
        fields = f"regarding.uid={job.identity.uid},reason={_POD_REFUSED}"
        try:
            events, _ = await self._cluster.list(EVENT, namespace, fields=fields)
        except ApiError as error:
            logger.debug("cannot read why Job %s has no pods: %s", job.identity.name, error)
            return ""
        notes = [str(event.get("note", "")) for event in events]
        return notes[-1].removeprefix(_POD_REFUSED_PREFIX) if notes else ""

    async def _delete(self, seen: Observation, reference: Reference) -> None:
        """Delete an object. Jobs are deleted in the foreground, so that a Job that is gone has no pods left."""
        self._may_write()
        kind, namespace = KINDS[reference.kind], seen.key[0]
        try:
            uid = reference.uid or await self._uid_of_own(seen, kind, reference.name)
            if uid:
                await self._cluster.delete(kind, namespace, reference.name, uid, foreground=kind == JOB)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            return
        if uid:
            logger.info("deleted %s %s", reference.kind, reference.name)

    async def _uid_of_own(self, seen: Observation, kind: Kind, name: str) -> str:
        """Return the uid of an object if it belongs to the job, otherwise an empty text."""
        held = await self._cluster.get(kind, seen.key[0], name)
        return str(held["metadata"]["uid"]) if _is_own(seen, controller_of(held)) else ""

    async def _create(self, seen: Observation, manifest: Manifest) -> None:
        self._may_write()
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        try:
            created = await self._cluster.create(kind, manifest)
            logger.info("created %s %s", kind.kind, name)
        except ApiError as error:
            if error.refused:
                message = f"the API server refuses {kind.kind} {name}: {error.message}; {remedy_for(error.message)}"
                raise Refused(Refusal(reasons.REFUSED, message)) from error
            if error.status != 409:
                raise
            created = await self._existing(seen, manifest, error)
        if kind == JOB:
            self._cache.child_jobs.apply("ADDED", created)

    async def _restore(self, manifest: Manifest) -> None:
        """Create an object again if there is none of its name."""
        self._may_write()
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        try:
            await self._cluster.create(kind, manifest)
        except ApiError as error:
            if error.status != 409:
                raise
            return
        logger.warning("created %s %s again, which somebody had deleted", kind.kind, name)

    async def _existing(self, seen: Observation, manifest: Manifest, conflict: ApiError) -> Manifest:
        """Return the object that has the name of a child already, if an earlier reconcile created it as that child.

        Raises:
            NameConflict: if it does not belong to the job.
            ApiError: if it is about to go away, so that the child can be created soon.
        """
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        held = await self._cluster.get(kind, seen.key[0], name)
        owner = controller_of(held)
        if owner is None or (owner.group, owner.kind, owner.name) != (GROUP, KIND, seen.name):
            message = f"there is a {kind.kind} {name} that does not belong to this job; {reasons.NAME_CONFLICT.remedy}"
            raise NameConflict(Refusal(reasons.NAME_CONFLICT, message))
        if owner.uid != seen.uid or "deletionTimestamp" in held["metadata"] or not _same(held, manifest):
            raise conflict
        if kind == CONFIG_MAP and held.get("data") != manifest["data"]:
            # The manifest has been edited since, and no Job of this attempt uses the old one.
            await self._cluster.delete(kind, seen.key[0], name, held["metadata"]["uid"])
            return await self._cluster.create(kind, manifest)
        return held

    async def _release(self, seen: Observation, release: Release) -> None:
        """Let a held Job start, if it is still the one that was seen."""
        self._may_write()
        preconditions = {"uid": release.uid, "resourceVersion": str(release.version)}
        patch = {**release.patch, "metadata": {**release.patch["metadata"], **preconditions}}
        released = await self._cluster.patch(JOB, seen.key[0], release.name, patch)
        logger.info("released Job %s", release.name)
        self._cache.child_jobs.apply("MODIFIED", released)

    async def _boost(self, seen: Observation, boost: PriorityBoost) -> None:
        """Write what Kueue is to add to the priority of a Job's Workload, if Kueue is there and lets it be written."""
        self._may_write()
        namespace, value = seen.key[0], str(boost.value) if boost.value else None
        try:
            workloads, _ = await self._cluster.list(WORKLOAD, namespace, selector=f"{JOB_UID_LABEL}={boost.job_uid}")
            for held in (workload["metadata"] for workload in workloads):
                seen_at = {"uid": held["uid"], "resourceVersion": held["resourceVersion"]}
                patch = {"metadata": {**seen_at, "annotations": {PRIORITY_BOOST_ANNOTATION: value}}}
                await self._cluster.patch(WORKLOAD, namespace, held["name"], patch)
        except ApiError as error:
            if error.status not in {403, 404}:
                raise
            logger.warning("the priority of the job's Workload cannot be changed: %s", error)

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

    async def _write_status(self, seen: Observation, changes: Manifest, dry_run: bool = False) -> None:
        """Write changes of the status, unless somebody has changed the job since it was seen.

        A dry run finds out whether they could be written.
        """
        self._may_write()
        namespace, name = seen.key
        version = seen.manifest["metadata"]["resourceVersion"]
        patch = {"metadata": {"uid": seen.uid, "resourceVersion": version}, "status": changes}
        try:
            written = await self._cluster.patch(TRAINING_JOB, namespace, name, patch, "status", dry_run)
        except ApiError as error:
            await self._refresh_cached_job(seen, error)
            if error.status == 404:
                return
            if not error.refused:
                raise
            if not seen.not_understood:
                raise StatusRefused(error.message) from error
            logger.debug("the notice that the job is not understood is refused as well: %s", error)
            return
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


def _status_changes(seen: Observation, plan: Plan) -> Manifest:
    """Return the merge patch from the status that is stored to the one that the plan wants."""
    stored = seen.manifest.get("status") or {}
    known, wanted = (_readable(seen, status) for status in (seen.status, plan.status))
    return difference(stored, carried_over(stored, known, cut_to_schema(wanted, _status_schema())))


#: Fields whose values the API server compares with a list.
_ENUMERATED = frozenset({"type", "status", "reason", "phase", "stage", "outcome", "action"})


def _shape(value: Any, name: str = "") -> str:
    """Return what the API server may refuse in changes of a status: fields, kinds of values, and enumerated values.

    Texts are cut to the lengths that it accepts, so two changes of the same shape are accepted or refused together.
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_shape(value[key], key)}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_shape(item) for item in value})) + "]"
    return repr(value) if name in _ENUMERATED else type(value).__name__


def _readable(seen: Observation, status: Status) -> Manifest:
    """Return a status without the fields that could not be read, so that they stay as they are."""
    return {name: value for name, value in status.to_dict().items() if name not in seen.unreadable}


def prepare() -> None:
    """Do beforehand what takes longer than an event loop should pause."""
    _status_schema()


@cache
def _status_schema() -> dict[str, Any]:
    schema: dict[str, Any] = structural_schema(PoseTrainingJob)["properties"]["status"]
    return schema


def _is_own(seen: Observation, owner: Owner | None) -> bool:
    return owner is not None and (owner.group, owner.kind, owner.uid) == (GROUP, KIND, seen.uid)


def _same(held: Manifest, wanted: Manifest) -> bool:
    """Return whether an own object was created for the same data and training as ``wanted``."""
    found, asked = (
        (manifest["metadata"].get("annotations") or {}).get(ANNOTATION_FINGERPRINT) for manifest in (held, wanted)
    )
    return found in {None, asked}
