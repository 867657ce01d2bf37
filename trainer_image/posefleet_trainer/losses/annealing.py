"""When the unsupervised losses come in."""

#: Shares of the training. Before, the network's keypoints are too far off for the losses to say anything true.
BEGINS, FULL = 0.4, 0.7


def annealed(share_done: float) -> float:
    """The factor of the unsupervised losses when ``share_done`` (0 to 1) of the steps are done: a ramp from 0 to 1."""
    return min(1.0, max(0.0, (share_done - BEGINS) / (FULL - BEGINS)))
