"""Entry point of ``python -m posefleet_operator``."""

from posefleet_operator.main import main

main()
