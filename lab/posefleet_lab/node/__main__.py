"""Run a process node: ``python -m posefleet_lab.node CONFIG``."""

import asyncio
import logging
import sys
from pathlib import Path

from .agent import run_agent
from .config import NodeConfig


def main() -> None:
    """Run the node of the configuration file named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run_agent(NodeConfig.read(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
