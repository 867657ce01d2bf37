"""Tells Prometheus which pods run: ``python -m posefleet_lab.monitoring.discovery KUBECONFIG FILE``.

Debian's Prometheus is built without discovery of Kubernetes pods. This program follows the API server and
writes what that discovery would find, with the same labels, into a file that Prometheus watches.
"""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..node.api import Api
from ..node.objects import Manifest
from ..node.reflector import Reflector

META = "__meta_kubernetes"
_BURST_SECONDS = 0.2


def targets(pods: Iterable[Manifest]) -> list[dict[str, Any]]:
    """Return a target for each pod that has an address, as Prometheus's file discovery reads it."""
    return [
        {"targets": [pod["status"]["podIP"]], "labels": _labels(pod)}
        for pod in pods
        if (pod.get("status") or {}).get("podIP")
    ]


def sanitized(name: str) -> str:
    """Return a label's name with what Prometheus allows in one."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


async def follow(kubeconfig: str, file: Path) -> None:
    """Keep the file up to date until cancelled."""
    api = await Api.connect(kubeconfig)
    dirty = asyncio.Event()
    note = lambda _pod: dirty.set()  # noqa: E731
    pods = Reflector(api, "/api/v1/pods", {"fieldSelector": "status.phase=Running"}, note, note)
    following = asyncio.create_task(pods.run())
    while not following.done():
        fresh = file.with_suffix(".fresh")
        fresh.write_text(json.dumps(targets(pods.objects.values()), indent=1))
        fresh.replace(file)
        await dirty.wait()
        dirty.clear()
        await asyncio.sleep(_BURST_SECONDS)  # a burst of changes is one file
    await following


def _labels(pod: Manifest) -> dict[str, str]:
    metadata = pod["metadata"]
    found = {
        f"{META}_namespace": metadata["namespace"],
        f"{META}_pod_name": metadata["name"],
        f"{META}_pod_ip": pod["status"]["podIP"],
        f"{META}_pod_phase": pod["status"]["phase"],
    }
    for kind in ("label", "annotation"):
        entries = (metadata.get(f"{kind}s") or {}).items()
        found |= {f"{META}_pod_{kind}_{sanitized(name)}": value for name, value in entries}
    return found


def main() -> None:
    """Follow the cluster of a kubeconfig."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(follow(sys.argv[1], Path(sys.argv[2])))


if __name__ == "__main__":
    main()
