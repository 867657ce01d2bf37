"""Leader election with a Lease: only the candidate that holds it may write.

A holder stops before anybody else may take the Lease. It measures the time since it sent the last renewal, while a
rival measures the time since it saw that renewal. Each uses its own clock, so their clocks need not agree.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from posefleet_operator.cluster.client import LEASE, ApiError, Cluster
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.settings import Settings

logger = logging.getLogger(__name__)

#: Parts of the Lease's duration: the interval between renewals, and the time before its end when the holder stops.
_RENEW_PART, _SAFETY_PART = 0.2, 0.2


class NotLeading(Exception):
    """This candidate does not hold the Lease, or no longer."""


class Election:
    """A candidate for the Lease."""

    def __init__(self, cluster: Cluster, settings: Settings, clock: Callable[[], float]) -> None:
        """``clock`` returns seconds of a monotonic clock that goes on while the machine is suspended."""
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self._held_until = float("-inf")
        self._rival: tuple[str, str] = ("", "")
        self._rival_renewed_at = float("-inf")
        #: The last failure that has been logged since the API server answered.
        self._logged = ""

    @property
    def leading(self) -> bool:
        """Whether this candidate may write now."""
        return self._clock() < self._held_until

    def seconds_left(self) -> float:
        """Return how long this candidate may still write if it does not renew the Lease.

        Raises:
            NotLeading: if it may not write now.
        """
        left = self._held_until - self._clock()
        if left <= 0:
            raise NotLeading(f"{self._settings.identity} does not hold the lease")
        return left

    async def acquire(self) -> None:
        """Wait until the Lease is held."""
        logger.info("waiting for the lease %s/%s", self._settings.lease_namespace, self._settings.lease_name)
        while not await self._try():  # noqa: ASYNC110  the Lease is polled
            await asyncio.sleep(self._settings.lease_seconds * _RENEW_PART)
        logger.info("%s leads", self._settings.identity)

    async def renew_until_lost(self) -> None:
        """Renew the Lease again and again, and return when it is lost."""
        while self.leading:
            await asyncio.sleep(self._settings.lease_seconds * _RENEW_PART)
            await self._try()
        logger.error("the lease is lost")

    async def release(self) -> None:
        """Release the Lease, so that a standby need not wait for it to expire."""
        if not self.leading:
            return
        self._held_until = float("-inf")
        try:
            lease = await self._read()
            if lease is not None and lease["spec"].get("holderIdentity") == self._settings.identity:
                lease["spec"]["holderIdentity"] = ""
                await self._cluster.replace(LEASE, lease)
        except ApiError as error:
            logger.info("the lease was not released and will expire: %s", error)

    async def _try(self) -> bool:
        """Acquire or renew the Lease if it is free, expired or already held, and return whether that worked."""
        sent_at = self._clock()
        try:
            async with asyncio.timeout(self._settings.lease_seconds * (1 - _SAFETY_PART) / 2):
                acquired = await self._write()
        except (ApiError, TimeoutError) as error:
            self._log_failure(error)
            return False
        self._logged = ""
        if acquired:
            self._held_until = sent_at + self._settings.lease_seconds * (1 - _SAFETY_PART)
        else:
            self._held_until = float("-inf")
        return acquired

    def _log_failure(self, error: ApiError | TimeoutError) -> None:
        """Log why the Lease could not be written, unless that was the last thing that was logged."""
        text = str(error) or "no answer in time"
        conflict = isinstance(error, ApiError) and error.status == 409
        if text != self._logged:
            logger.log(logging.DEBUG if conflict else logging.WARNING, "cannot acquire the lease: %s", text)
        self._logged = text

    async def _write(self) -> bool:
        lease = await self._read()
        if lease is None:
            await self._cluster.create(LEASE, self._manifest({}))
            return True
        if not self._may_acquire(lease["spec"]):
            return False
        await self._cluster.replace(LEASE, {**self._manifest(lease["spec"]), "metadata": lease["metadata"]})
        return True

    def _may_acquire(self, spec: Manifest) -> bool:
        holder = spec.get("holderIdentity") or ""
        if holder in {"", self._settings.identity}:
            return True
        renewal = (holder, str(spec.get("renewTime")))
        if renewal != self._rival:
            self._rival, self._rival_renewed_at = renewal, self._clock()
        return self._clock() - self._rival_renewed_at > float(spec.get("leaseDurationSeconds") or 0)

    async def _read(self) -> Manifest | None:
        try:
            return await self._cluster.get(LEASE, self._settings.lease_namespace, self._settings.lease_name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _manifest(self, old: Manifest) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = old.get("holderIdentity") == self._settings.identity
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._settings.lease_name, "namespace": self._settings.lease_namespace},
            "spec": {
                "holderIdentity": self._settings.identity,
                "leaseDurationSeconds": max(1, round(self._settings.lease_seconds)),
                "acquireTime": old.get("acquireTime", now) if mine else now,
                "renewTime": now,
                "leaseTransitions": int(old.get("leaseTransitions") or 0) + (not mine),
            },
        }
