"""Runs the demo by ``python -m posefleet_demo``."""

from posefleet_demo.main import main

main()
