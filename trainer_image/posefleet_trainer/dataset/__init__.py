"""Project folders: reading, checking, splitting, and what prepare leaves for training."""
