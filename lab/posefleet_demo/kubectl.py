"""Runs ``kubectl`` against the demo's cluster."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_APPLY = ("apply", "--server-side", "--force-conflicts")


@dataclass(frozen=True)
class Kubectl:
    """``kubectl`` with the kubeconfig of a cluster and a default namespace."""

    binary: Path
    kubeconfig: Path
    namespace: str

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command in the default namespace and return its standard output.

        Raises:
            KubectlRefused: the command fails. The message is its error output.
        """
        return self._run(["--namespace", self.namespace, *arguments], stdin)

    def apply_file(self, path: Path) -> None:
        """Apply, server-side, a file whose objects name their namespaces."""
        self._run([*_APPLY, "-f", str(path)], None)

    def _run(self, arguments: list[str], stdin: str | None) -> str:
        command = [str(self.binary), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlRefused(done.stderr.strip())
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply objects, server-side, in the default namespace."""
        self(*_APPLY, "-f", "-", stdin=_list(manifests))

    def apply_everywhere(self, *manifests: dict[str, Any]) -> None:
        """Apply, server-side, objects that name their namespaces."""
        self._run([*_APPLY, "-f", "-"], _list(manifests))

    def job(self, name: str) -> dict[str, Any]:
        """Return the current PoseTrainingJob ``name``."""
        found: dict[str, Any] = json.loads(self("get", "ptj", name, "-o", "json"))
        return found


class KubectlRefused(RuntimeError):
    """A ``kubectl`` command failed, for example because the API server refused it."""


def _list(manifests: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
