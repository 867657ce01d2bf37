"""``make demo``: one manifest in, one report out, on a cluster on this computer."""
