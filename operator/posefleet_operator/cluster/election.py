"""Leader election by a Lease: whoever holds it acts, nobody else.

A holder stops acting before anybody may take the Lease from it: it counts from the moment when it asked for the
renewal, a rival from the moment when it saw it, each by its own clock: no two machines need to agree on the time.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from posefleet_operator.cluster.client import LEASE, ApiError, Cluster
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.settings import Settings

logger = logging.getLogger(__name__)
#: Parts of the lease's seconds: how often it is renewed, and how long before its end the holder stops.
_RENEW_PART, _SAFETY_PART = 0.2, 0.2


class NotLeading(Exception):
    """The Lease is not, or no longer, held."""


class Election:
    """One candidate for the Lease."""

    def __init__(self, cluster: Cluster, settings: Settings, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds that never go back."""
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self._held_until = float("-inf")
        self._rival: tuple[str, str] = ("", "")
        self._rival_seen = float("-inf")

    @property
    def leading(self) -> bool:
        """Whether this candidate may act now."""
        return self._clock() < self._held_until

    def require(self) -> None:
        """Let only a leader pass.

        Raises:
            NotLeading: for everybody else.
        """
        if not self.leading:
            raise NotLeading(f"{self._settings.identity} does not hold the lease")

    async def acquire(self) -> None:
        """Wait until the Lease is held."""
        logger.info("waiting for the lease %s/%s", self._settings.lease_namespace, self._settings.lease_name)
        while not await self._try():  # noqa: ASYNC110  the Lease has no event to wait for
            await asyncio.sleep(self._settings.lease_seconds * _RENEW_PART)
        logger.info("%s leads", self._settings.identity)

    async def keep(self) -> None:
        """Renew the Lease until that fails for so long that it is lost."""
        while self.leading:
            await asyncio.sleep(self._settings.lease_seconds * _RENEW_PART)
            await self._try()
        logger.error("the lease is lost; no further action")

    async def release(self) -> None:
        """Give the Lease back, so that a standby need not wait."""
        if not self.leading:
            return
        self._held_until = float("-inf")
        try:
            lease = await self._read()
            if lease is not None and lease["spec"].get("holderIdentity") == self._settings.identity:
                lease["spec"]["holderIdentity"] = ""
                await self._cluster.replace(LEASE, lease)
        except ApiError as error:
            logger.info("the lease runs out by itself: %s", error)

    async def _try(self) -> bool:
        """Take or renew the Lease, if it is free or held by this candidate."""
        asked = self._clock()
        try:
            async with asyncio.timeout(self._settings.lease_seconds * (1 - _SAFETY_PART) / 2):
                taken = await self._take()
        except (ApiError, TimeoutError) as error:
            conflict = isinstance(error, ApiError) and error.status == 409
            logger.log(logging.DEBUG if conflict else logging.WARNING, "no lease: %s", error or "no answer in time")
            return False
        if taken:
            self._held_until = asked + self._settings.lease_seconds * (1 - _SAFETY_PART)
        else:
            self._held_until = float("-inf")
        return taken

    async def _take(self) -> bool:
        lease = await self._read()
        if lease is None:
            await self._cluster.create(LEASE, self._manifest({}))
            return True
        if not self._may_take(lease["spec"]):
            return False
        await self._cluster.replace(LEASE, {**self._manifest(lease["spec"]), "metadata": lease["metadata"]})
        return True

    def _may_take(self, spec: Manifest) -> bool:
        holder = spec.get("holderIdentity") or ""
        if holder in {"", self._settings.identity}:
            return True
        sign_of_life = (holder, str(spec.get("renewTime")))
        if sign_of_life != self._rival:
            self._rival, self._rival_seen = sign_of_life, self._clock()
        return self._clock() - self._rival_seen > float(spec.get("leaseDurationSeconds") or 0)

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
