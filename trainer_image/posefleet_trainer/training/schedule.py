"""The learning rate: a function of the part of the training that is done, so it has no state to save."""

import math

#: Shares of the training: the rate rises to its peak, and a backbone with learned weights waits for the head.
_WARM_UP = 0.03
_FROZEN, _THAWED = 0.05, 0.12
#: The rate in the end, relative to the peak.
_FLOOR = 0.01


def learning_rate_factor(share_done: float) -> float:
    """The learning rate relative to its peak: linear warm-up, then half a cosine (Loshchilov and Hutter, ICLR 2017)."""
    if share_done < _WARM_UP:
        return (share_done + _FLOOR * _WARM_UP) / (_WARM_UP * (1 + _FLOOR))
    after = (share_done - _WARM_UP) / (1 - _WARM_UP)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, after)))


def backbone_factor(share_done: float, pretrained: bool) -> float:
    """The backbone's learning rate relative to the head's.

    Learned weights stand still until the head has stopped guessing, then come in from a tenth (as in Lightning Pose,
    Biderman et al. 2024); random ones learn from the start.
    """
    if not pretrained or share_done >= _THAWED:
        return 1.0
    if share_done < _FROZEN:
        return 0.0
    return float(0.1 ** ((_THAWED - share_done) / (_THAWED - _FROZEN)))
