"""``python -m posefleet_trainer``."""

from posefleet_trainer.main import main

main()
