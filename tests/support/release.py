"""The chart, installed by helm."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHART = Path(__file__).parents[2] / "charts" / "posefleet"


@dataclass(frozen=True)
class Release:
    """A release of the chart in a namespace of its own; ``values`` are those that it is installed with."""

    helm: Path
    kubeconfig: Path
    namespace: str
    values: Path
    name: str = "posefleet"

    def install(self, values: Mapping[str, Any]) -> str:
        """Install, and wait until the operator is ready; what helm printed."""
        self.values.write_text(json.dumps(values))
        return self("install", self.name, str(CHART), "--values", str(self.values), "--wait", "--timeout", "3m")

    def upgrade(self, *settings: str) -> str:
        """Upgrade with single settings changed, such as ``log.level=DEBUG``, and wait."""
        changed = [word for setting in settings for word in ("--set", setting)]
        values = ["--values", str(self.values)]
        return self("upgrade", self.name, str(CHART), *values, *changed, "--wait", "--timeout", "3m")

    def test(self) -> str:
        """``helm test``, which prints the log of its pod."""
        return self("test", self.name, "--timeout", "10m")

    def uninstall(self) -> str:
        """Uninstall, and wait until everything of the release is gone."""
        return self("uninstall", self.name, "--wait", "--timeout", "2m")

    def __call__(self, *arguments: str) -> str:
        """Run helm in the release's namespace."""
        command = [str(self.helm), "--namespace", self.namespace, *arguments]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"helm {' '.join(arguments)}:\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
        return done.stdout
