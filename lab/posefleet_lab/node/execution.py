"""Commands run inside a running container: exec probes and preStop hooks."""

import asyncio
import sys
from pathlib import Path

from ..paths import GO_MODULES

_ENTER = (sys.executable, "-S", "-m", "posefleet_lab.node.launcher.enter")
_OUTPUT_BYTES = 10 * 1024


async def execute(spec_file: Path, pid: int, command: list[str], timeout_seconds: float) -> tuple[int, str]:
    """Run ``command`` beside the container's main process and return its exit code and output.

    Raises TimeoutError, after killing the command.
    """
    process = await asyncio.create_subprocess_exec(
        *_ENTER,
        str(spec_file),
        str(pid),
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PYTHONPATH": str(GO_MODULES), "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output[:_OUTPUT_BYTES].decode(errors="replace").strip()
