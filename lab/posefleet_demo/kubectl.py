"""``kubectl`` against the demo's cluster."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_APPLY = ("apply", "--server-side", "--force-conflicts")


@dataclass(frozen=True)
class Kubectl:
    """The ``kubectl`` binary, the cluster's kubeconfig, and a namespace."""

    binary: Path
    kubeconfig: Path
    namespace: str

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """What the command printed.

        Raises:
            KubectlRefused: with what the API server said.
        """
        return self._run(["--namespace", self.namespace, *arguments], stdin)

    def apply_file(self, path: Path) -> None:
        """Server-side apply of a file whose objects name their own namespaces."""
        self._run([*_APPLY, "-f", str(path)], None)

    def _run(self, arguments: list[str], stdin: str | None) -> str:
        command = [str(self.binary), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlRefused(done.stderr.strip())
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Server-side apply."""
        self(*_APPLY, "-f", "-", stdin=_list(manifests))

    def apply_everywhere(self, *manifests: dict[str, Any]) -> None:
        """Server-side apply of objects that name their own namespaces."""
        self._run([*_APPLY, "-f", "-"], _list(manifests))

    def job(self, name: str) -> dict[str, Any]:
        """The PoseTrainingJob as it is now."""
        found: dict[str, Any] = json.loads(self("get", "ptj", name, "-o", "json"))
        return found


class KubectlRefused(RuntimeError):
    """The API server refused a command."""


def _list(manifests: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
