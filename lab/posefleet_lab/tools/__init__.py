"""The programs that the lab runs: built from Go modules or taken from Python wheels, once."""
