"""Entry of ``posefleet-operator``."""

import asyncio
import os
import signal
import sys

from posefleet_operator.defaults import InvalidDefaults
from posefleet_operator.logs import start_logging
from posefleet_operator.operator import run_operator
from posefleet_operator.settings import Settings, parse_settings


def main() -> None:
    """Run the operator until SIGTERM or SIGINT."""
    try:
        settings = parse_settings(sys.argv[1:], os.environ)
    except InvalidDefaults as mistake:
        sys.exit(f"posefleet-operator: {mistake}")
    start_logging(settings.log_format, settings.log_level)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_operator(settings, stop)
