"""What the containers of one pod see of this machine."""
